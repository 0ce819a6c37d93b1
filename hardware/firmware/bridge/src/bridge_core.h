// Bridge firmware of Safety Eye: the portable core. No Arduino, no heap, no floating point; C++11.
//
// What hangs on the microcontroller becomes lines of JSON with a CRC behind each (PROTOCOL.md).
// The core knows inputs, debouncing, counters and lines; the board around it reads pins, gives the
// time and carries the bytes. Everything is bounded: a line that does not fit is split.
#ifndef SAFETY_EYE_BRIDGE_CORE_H
#define SAFETY_EYE_BRIDGE_CORE_H

#include <stddef.h>
#include <stdint.h>

namespace bridge {

// Longest line without its line feed, as the station accepts it.
const size_t kLineBytes = 512;
const uint8_t kMostInputs = 12;
const uint8_t kMostValues = 12;
// Shortest time between two lines that carry events: the station takes 20 lines a second.
const uint32_t kEventGapMs = 50;
// A state may not change and change back between two lines: debounce at least half the gap.
const uint16_t kLeastDebounceMs = 25;
const uint32_t kLongestHeartbeatMs = 5000;
const uint32_t kShortestHeartbeatMs = 500;
const size_t kNameBytes = 24;
const size_t kUnitBytes = 12;
// Longest command from the station.
const size_t kCommandBytes = 64;

// CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF. "123456789" gives 0x29B1.
uint16_t crc16(uint16_t crc, const char *bytes, size_t count);

enum Kind : uint8_t {
  // 1 while active; every settled change is sent at once (doors, floats, certified alarm relays).
  kState,
  // Counts settled activations; sent with the heart-beat and at once after a pause (turnstile).
  kCounter,
  // Counts settled activations, for many a second (rain tips, pulse meters): heart-beat only.
  kPulses,
};

// One digital input. Times in milliseconds.
struct InputPlan {
  const char *name;      // "door", "alarm", "in", "out", "tips"… at most 24 of a-z, 0-9, '_', '-'
  Kind kind;
  bool active_low;       // true where the active state pulls the pin to ground
  uint16_t debounce_ms;  // a change counts once the pin has kept it for so long
  uint32_t stuck_ms;     // active for longer than this is a fault (a beam that is blocked); 0: never
};

// A number that the board measures (an ADC, a bus sensor), scaled by a power of ten.
struct ValuePlan {
  const char *name;   // "mq2_adc", "temp"…
  const char *unit;   // "1", "Cel", "mm"…
  uint8_t decimals;   // 0 to 6
};

// Why a number is not an ordinary one; the station knows these words.
enum Status : uint8_t { kOk, kWarm, kHeat, kFault, kLow, kHigh, kTest };

// Takes bytes that go to the station. Returns false when they could not be taken; the line then
// counts as lost, and the next heart-beat repeats every state.
typedef bool (*Write)(void *context, const char *bytes, size_t count);

struct Plan {
  const char *device;    // id of this bridge, at most 24 characters
  const char *firmware;  // version
  const InputPlan *inputs;
  uint8_t input_count;
  const ValuePlan *values;
  uint8_t value_count;
  uint32_t heartbeat_ms;  // 500 to 5000
};

class Bridge {
 public:
  Bridge(const Plan &plan, Write write, void *context);

  // True if the plan fits into this core; the board must not start otherwise.
  bool plan_is_valid() const;

  // The first line after a reset. `reset` is "poweron", "watchdog", "brownout", "extern", "software".
  void begin(uint32_t now_ms, const char *reset);

  // Takes the level of an input. Call as often as possible, at least every few milliseconds.
  void sample(uint8_t input, bool level, uint32_t now_ms);

  // Takes activations that the board has counted itself (beams, an interrupt); 0 says that this
  // counter is there and stands at nought.
  void count(uint8_t input, uint32_t activations);

  // Takes a measured number: value times 10^decimals. Sent with the next heart-beat.
  void set(uint8_t value, int32_t scaled, Status status);

  // Takes a byte that the station sent.
  void receive(char byte, uint32_t now_ms);

  // Sends what is due. Call in every turn of the loop.
  void tick(uint32_t now_ms);

  // Lines that could not be written since the reset.
  uint32_t lost() const { return lost_; }

 private:
  struct Input {
    uint32_t changed_ms;  // since when the pin has had `pending`
    uint32_t active_ms;   // since when the input has been active
    uint32_t total;       // activations since the reset
    uint8_t settled : 1;
    uint8_t pending : 1;
    uint8_t known : 1;    // false until the pin has kept one level for the debounce time
    uint8_t stuck : 1;
    uint8_t event : 1;    // a change waits to be sent
  };
  struct Value {
    int32_t scaled;
    uint8_t status;
    uint8_t known;
  };

  void settle(uint8_t index, uint32_t now_ms);
  void watch_for_stuck(uint8_t index, uint32_t now_ms);
  bool has_event() const;
  bool send(uint32_t now_ms, bool everything);
  void head(uint32_t now_ms);
  bool finish();
  bool next_item(uint32_t now_ms, bool &written);
  void put_input(uint8_t index);
  void put_value(uint8_t index);
  void put_status(uint8_t status);
  void obey(uint32_t now_ms);
  bool command_is_sound();
  bool command_number(const char *key, uint32_t &number) const;
  void put(const char *text);
  void put_number(uint32_t number);
  void put_scaled(int32_t scaled, uint8_t decimals);

  const Plan plan_;
  const Write write_;
  void *const context_;
  Input inputs_[kMostInputs];
  Value values_[kMostValues];
  uint32_t heartbeat_ms_;
  uint32_t beat_ms_;
  uint32_t event_ms_;
  uint32_t lost_;
  uint16_t seq_;
  char line_[kLineBytes + 2];
  size_t length_;
  bool in_items_;
  char command_[kCommandBytes];
  size_t command_length_;
  bool command_overlong_;
};

// Two beams one behind the other in a passage; who breaks A first and leaves B last came in.
class BeamPair {
 public:
  BeamPair() : first_(0), both_(false) {}

  // Takes both beams (true = broken); returns 1 for somebody in, -1 for somebody out, else 0.
  int8_t step(bool a, bool b);

 private:
  int8_t first_;  // 1: A was broken first, -1: B was, 0: the passage was empty or it is not clear
  bool both_;     // both were broken at the same time since then
  bool last_a_ = false;
  bool last_b_ = false;
};

}  // namespace bridge

#endif
