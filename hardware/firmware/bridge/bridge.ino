// Bridge firmware of Safety Eye for Arduino boards (AVR) and ESP32: reads pins, feeds the core,
// carries its lines over USB serial at 115200 baud. What hangs on the board stands in site.h.
#include "board.h"
#include "site.h"
#include "src/bridge_core.h"

namespace {

const uint8_t kInputCount = sizeof kInputs / sizeof kInputs[0];
const bool kHasBeams = kBeamA != kNoPin && kBeamB != kNoPin;
const bool kHasAnalogue = kAnaloguePin != kNoPin;
// The station reads at once; a line that does not leave within this is counted as lost.
const uint32_t kWriteMs = 250;
const uint32_t kMeasureMs = 1000;

void lookAtPins();

bool carry(void *, const char *bytes, size_t count) {
  const uint32_t since = millis();
  while (count > 0) {
    if (Serial.availableForWrite() > 0) {
      Serial.write(static_cast<uint8_t>(*bytes++));
      --count;
    } else if (millis() - since > kWriteMs) {
      return false;
    } else {
      // A long line takes 45 ms on the wire; no door may be missed meanwhile.
      lookAtPins();
    }
  }
  return true;
}

const bridge::Plan kPlan = {
    kDevice, kFirmware, kInputs, kInputCount, kValues,
    static_cast<uint8_t>(kHasAnalogue ? sizeof kValues / sizeof kValues[0] : 0), kHeartbeatMs};
bridge::Bridge core(kPlan, carry, nullptr);
bridge::BeamPair beams;
uint32_t measuredMs = 0;

void lookAtPins() {
  const uint32_t now = millis();
  for (uint8_t at = 0; at < kInputCount; ++at) {
    if (kPins[at] != kNoPin) core.sample(at, digitalRead(kPins[at]) == HIGH, now);
  }
  if (!kHasBeams) return;
  const int8_t passed = beams.step((digitalRead(kBeamA) == HIGH) == kBeamBrokenIsHigh,
                                   (digitalRead(kBeamB) == HIGH) == kBeamBrokenIsHigh);
  if (passed > 0) core.count(kIn, 1);
  if (passed < 0) core.count(kOut, 1);
}

void measure() {
  if (!kHasAnalogue || millis() - measuredMs < kMeasureMs) return;
  measuredMs = millis();
  const bool cold = millis() < kWarmUpMs;
  core.set(0, analogRead(kAnaloguePin), cold ? bridge::kWarm : bridge::kOk);
}

}  // namespace

void setup() {
  const char *reset = board::resetReason();
  board::startWatchdog();
  Serial.begin(115200);
  for (uint8_t at = 0; at < kInputCount; ++at) {
    if (kPins[at] != kNoPin) pinMode(kPins[at], INPUT_PULLUP);
  }
  if (kHasBeams) {
    pinMode(kBeamA, INPUT_PULLUP);
    pinMode(kBeamB, INPUT_PULLUP);
    core.count(kIn, 0);
    core.count(kOut, 0);
  }
  static_assert(sizeof kPins / sizeof kPins[0] == kInputCount, "site.h: one pin for each input");
  // A plan that the core refuses: say nothing at all, and let the station find the bridge silent.
  while (!core.plan_is_valid()) board::feedWatchdog();
  core.begin(millis(), reset);
}

void loop() {
  board::feedWatchdog();
  lookAtPins();
  measure();
  while (Serial.available() > 0) core.receive(static_cast<char>(Serial.read()), millis());
  core.tick(millis());
}
