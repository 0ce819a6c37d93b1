#include <Arduino.h>

#ifdef ARDUINO_ARCH_AVR

#include <avr/wdt.h>

#include "board.h"

// Optiboot clears MCUSR and hands its value over in register r2, before anything else runs.
static uint8_t bootFlags __attribute__((section(".noinit")));
extern "C" void keepBootFlags(void) __attribute__((naked, used, section(".init0")));
extern "C" void keepBootFlags(void) { asm volatile("sts %0, r2" : : "i"(&bootFlags)); }

namespace board {

const char *resetReason() {
  const uint8_t flags = MCUSR ? MCUSR : bootFlags;
  MCUSR = 0;
  if (flags & _BV(WDRF)) return "watchdog";
  if (flags & _BV(BORF)) return "brownout";
  if (flags & _BV(PORF)) return "poweron";
  if (flags & _BV(EXTRF)) return "extern";
  return "unknown";
}

void startWatchdog() { wdt_enable(WDTO_2S); }

void feedWatchdog() { wdt_reset(); }

}  // namespace board

#endif
