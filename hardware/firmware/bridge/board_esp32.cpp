#include <Arduino.h>

#ifdef ARDUINO_ARCH_ESP32

#include <esp_system.h>
#include <esp_task_wdt.h>

#include "board.h"

namespace board {

const char *resetReason() {
  switch (esp_reset_reason()) {
    case ESP_RST_POWERON: return "poweron";
    case ESP_RST_BROWNOUT: return "brownout";
    case ESP_RST_EXT: return "extern";
    case ESP_RST_SW: return "software";
    case ESP_RST_INT_WDT:
    case ESP_RST_TASK_WDT:
    case ESP_RST_WDT: return "watchdog";
    case ESP_RST_PANIC: return "panic";
    default: return "unknown";
  }
}

void startWatchdog() {
#if ESP_ARDUINO_VERSION_MAJOR >= 3
  esp_task_wdt_config_t config = {};
  config.timeout_ms = 2000;
  config.trigger_panic = true;
  // The Arduino core may have started it already; then it is set anew.
  if (esp_task_wdt_reconfigure(&config) != ESP_OK) esp_task_wdt_init(&config);
#else
  esp_task_wdt_init(2, true);
#endif
  esp_task_wdt_add(nullptr);
}

void feedWatchdog() { esp_task_wdt_reset(); }

}  // namespace board

#endif
