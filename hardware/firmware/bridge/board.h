// What differs between boards: why it was reset, and the watchdog (2 s).
#ifndef SAFETY_EYE_BRIDGE_BOARD_H
#define SAFETY_EYE_BRIDGE_BOARD_H

#include <Arduino.h>

namespace board {
const char *resetReason();
void startWatchdog();
void feedWatchdog();
}  // namespace board

#endif
