// What hangs on this board. The only file that an installer changes; see PROTOCOL.md for names.
//
// This sample: a passage with two beams, a door contact, a certified detector's relay, a rain gauge.
#ifndef SAFETY_EYE_BRIDGE_SITE_H
#define SAFETY_EYE_BRIDGE_SITE_H

#include "src/bridge_core.h"

// Ids are letters, digits, '-' and '_'; the station's `dev` option may insist on this one.
const char kDevice[] = "gate1";
const char kFirmware[] = "1.0.0";
const uint32_t kHeartbeatMs = 1000;

// Inputs are dry contacts to ground with the pull-up of the chip: closed pulls the pin low.
// Alarm loops are wired normally closed, so that a cut cable is an alarm: active is HIGH there.
// Long cables want a stronger pull-up (4.7 kOhm) and a filter; see ../../wiring.md.
enum InputName : uint8_t { kIn, kOut, kDoor, kAlarm, kTips };
const bridge::InputPlan kInputs[] = {
    // name, kind, active_low, debounce_ms, stuck_ms
    {"in", bridge::kCounter, true, 20, 0},
    {"out", bridge::kCounter, true, 20, 0},
    {"door", bridge::kState, false, 50, 0},
    {"alarm", bridge::kState, false, 30, 0},
    {"tips", bridge::kPulses, true, 20, 0},
};
// Pin of each input; kNoPin for those that the board counts itself (beams).
const uint8_t kNoPin = 255;
const uint8_t kPins[] = {kNoPin, kNoPin, 4, 5, 6};

// Two beams in a passage, A towards the outside. kNoPin where there are none.
const uint8_t kBeamA = 2;
const uint8_t kBeamB = 3;
const bool kBeamBrokenIsHigh = true;

// One analogue input as a plain ratio; kNoPin where there is none. No MQ sensor says ppm.
const uint8_t kAnaloguePin = kNoPin;
const bridge::ValuePlan kValues[] = {{"mq2_adc", "1", 0}};
// A heated gas sensor is warming up for so long after power-up.
const uint32_t kWarmUpMs = 180000;

#endif
