// The bridge core as a program for this machine: a script on standard input, lines on standard
// output. For tests, and to try a plan without a board.
//
//   state NAME DEBOUNCE STUCK | counter … | pulses …    add an input (active high)
//   value NAME UNIT DECIMALS                            add a number
//   start DEVICE FIRMWARE HEARTBEAT MS RESET            begin; prints "invalid" for a bad plan
//   pin INPUT LEVEL MS      sample one pin             count INPUT N
//   set VALUE SCALED STATUS a number                   tick MS
//   hear TEXT MS            what the station sends     full 0|1   writing fails while 1
//   beams A B               prints 1, -1 or 0 of a beam pair
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "../bridge/src/bridge_core.h"

static bool full = false;

static bool write_out(void *, const char *bytes, size_t count) {
  if (full) return false;
  std::fwrite(bytes, 1, count, stdout);
  return true;
}

int main() {
  std::vector<bridge::InputPlan> inputs;
  std::vector<bridge::ValuePlan> values;
  bridge::Bridge *core = nullptr;
  bridge::BeamPair beams;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string verb, name, other;
    words >> verb;
    long long first = 0, second = 0;
    if (verb == "state" || verb == "counter" || verb == "pulses") {
      words >> name >> first >> second;
      const bridge::Kind kind = verb == "state"     ? bridge::kState
                                : verb == "counter" ? bridge::kCounter
                                                    : bridge::kPulses;
      inputs.push_back({strdup(name.c_str()), kind, false, static_cast<uint16_t>(first),
                        static_cast<uint32_t>(second)});
    } else if (verb == "value") {
      words >> name >> other >> first;
      values.push_back({strdup(name.c_str()), strdup(other.c_str()), static_cast<uint8_t>(first)});
    } else if (verb == "start") {
      std::string reset;
      words >> name >> other >> first >> second >> reset;
      const bridge::Plan plan = {strdup(name.c_str()),
                                 strdup(other.c_str()),
                                 inputs.data(),
                                 static_cast<uint8_t>(inputs.size()),
                                 values.data(),
                                 static_cast<uint8_t>(values.size()),
                                 static_cast<uint32_t>(first)};
      core = new bridge::Bridge(plan, write_out, nullptr);
      if (!core->plan_is_valid()) {
        std::puts("invalid");
        return 1;
      }
      core->begin(static_cast<uint32_t>(second), reset.c_str());
    } else if (verb == "pin") {
      long long at = 0;
      words >> first >> second >> at;
      core->sample(static_cast<uint8_t>(first), second != 0, static_cast<uint32_t>(at));
    } else if (verb == "count") {
      words >> first >> second;
      core->count(static_cast<uint8_t>(first), static_cast<uint32_t>(second));
    } else if (verb == "set") {
      long long status = 0;
      words >> first >> second >> status;
      core->set(static_cast<uint8_t>(first), static_cast<int32_t>(second),
                static_cast<bridge::Status>(status));
    } else if (verb == "tick") {
      words >> first;
      core->tick(static_cast<uint32_t>(first));
    } else if (verb == "hear") {
      words >> name >> first;
      for (char byte : name) core->receive(byte, static_cast<uint32_t>(first));
      core->receive('\n', static_cast<uint32_t>(first));
    } else if (verb == "full") {
      words >> first;
      full = first != 0;
    } else if (verb == "beams") {
      words >> first >> second;
      std::printf("%d\n", beams.step(first != 0, second != 0));
    }
  }
  return 0;
}
