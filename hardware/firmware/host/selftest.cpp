// One fixed story through the core, as a program for this machine and for an AVR: both must write
// the very same bytes, although an int has 32 bits on one and 16 on the other.
#include "../bridge/src/bridge_core.h"

#ifdef __AVR__
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#else
#include <stdio.h>
#endif

static bool put(void *, const char *bytes, size_t count) {
  for (size_t at = 0; at < count; ++at) {
#ifdef __AVR__
    while (!(UCSR0A & _BV(UDRE0))) {
    }
    UDR0 = static_cast<uint8_t>(bytes[at]);
#else
    putchar(bytes[at]);
#endif
  }
  return true;
}

static const bridge::InputPlan kInputs[] = {
    {"in", bridge::kCounter, false, 20, 5000},
    {"door", bridge::kState, false, 50, 0},
    {"alarm", bridge::kState, true, 30, 0},
    {"tips", bridge::kPulses, false, 5, 0},
};
static const bridge::ValuePlan kValues[] = {
    {"temp", "Cel", 2}, {"mq2_adc", "1", 0}, {"level", "mm", 1}};

int main() {
#ifdef __AVR__
  UBRR0 = 8;  // 115200 baud at 16 MHz
  UCSR0B = _BV(TXEN0);
#endif
  const bridge::Plan plan = {"self-test", "1.0.0", kInputs, 4, kValues, 3, 1000};
  static bridge::Bridge core(plan, put, nullptr);
  // Close before both the clock and the numbers wrap.
  uint32_t now = 4294967295u - 700;
  if (!core.plan_is_valid()) return 1;
  core.begin(now, "watchdog");
  for (uint16_t turn = 0; turn < 900; ++turn) {
    now += 7;
    core.sample(0, (turn / 9) % 2 || (turn > 300 && turn < 850), now);
    core.sample(1, turn % 120 > 60 && turn % 5, now);
    core.sample(2, turn < 500, now);
    core.sample(3, (turn >> 1) & 1, now);
    if (turn % 100 == 0) {
      core.set(0, static_cast<int32_t>(turn) * 100 - 12345, bridge::kOk);
      core.set(1, 70000, turn < 300 ? bridge::kWarm : bridge::kHigh);
      core.set(2, -2147483647 - 1, turn < 500 ? bridge::kOk : bridge::kFault);
    }
    core.tick(now);
  }
  core.count(3, 4294967295u);
  core.tick(now + 2000);
#ifdef __AVR__
  // Let the last byte leave; sleeping with interrupts off ends a simulation.
  while (!(UCSR0A & _BV(UDRE0))) {
  }
  for (volatile uint16_t wait = 0; wait < 5000; ++wait) {
  }
  cli();
  sleep_mode();
#endif
  return 0;
}
