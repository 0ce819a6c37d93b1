#include "bridge_core.h"

#include <string.h>

namespace bridge {

namespace {

const char kHex[] = "0123456789ABCDEF";
// "*", four hex digits.
const size_t kTailBytes = 5;
// Longest item: name, unit, number, status and the JSON around them; and the end of the list.
const size_t kItemBytes = kNameBytes + kUnitBytes + 13 + 40;
const size_t kEndBytes = 2;

bool is_plain(const char *text, size_t most) {
  size_t count = 0;
  for (; text[count] != '\0'; ++count) {
    const char byte = text[count];
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= '0' && byte <= '9') || strchr("_-./%", byte) != nullptr;
    if (!plain || count >= most) return false;
  }
  return count > 0;
}

const char *word_of(uint8_t status) {
  switch (status) {
    case kWarm: return "warm";
    case kHeat: return "heat";
    case kLow: return "low";
    case kHigh: return "high";
    case kTest: return "test";
    default: return "fault";
  }
}

}  // namespace

uint16_t crc16(uint16_t crc, const char *bytes, size_t count) {
  for (size_t at = 0; at < count; ++at) {
    crc = static_cast<uint16_t>(crc ^ (static_cast<uint8_t>(bytes[at]) << 8));
    for (uint8_t bit = 0; bit < 8; ++bit) {
      crc = (crc & 0x8000) ? static_cast<uint16_t>((crc << 1) ^ 0x1021)
                           : static_cast<uint16_t>(crc << 1);
    }
  }
  return crc;
}

Bridge::Bridge(const Plan &plan, Write write, void *context)
    : plan_(plan),
      write_(write),
      context_(context),
      heartbeat_ms_(plan.heartbeat_ms),
      beat_ms_(0),
      event_ms_(0),
      lost_(0),
      seq_(0),
      length_(0),
      in_items_(false),
      command_length_(0),
      command_overlong_(false) {
  memset(inputs_, 0, sizeof inputs_);
  memset(values_, 0, sizeof values_);
}

bool Bridge::plan_is_valid() const {
  if (plan_.input_count > kMostInputs || plan_.value_count > kMostValues) return false;
  if (!is_plain(plan_.device, kNameBytes) || !is_plain(plan_.firmware, kNameBytes)) return false;
  if (heartbeat_ms_ < kShortestHeartbeatMs || heartbeat_ms_ > kLongestHeartbeatMs) return false;
  for (uint8_t at = 0; at < plan_.input_count; ++at) {
    const InputPlan &input = plan_.inputs[at];
    if (!is_plain(input.name, kNameBytes)) return false;
    if (input.kind == kState && input.debounce_ms < kLeastDebounceMs) return false;
    for (uint8_t other = 0; other < at; ++other) {
      if (strcmp(plan_.inputs[other].name, input.name) == 0) return false;
    }
  }
  for (uint8_t at = 0; at < plan_.value_count; ++at) {
    const ValuePlan &value = plan_.values[at];
    if (!is_plain(value.name, kNameBytes) || !is_plain(value.unit, kUnitBytes)) return false;
    if (value.decimals > 6) return false;
  }
  return true;
}

void Bridge::begin(uint32_t now_ms, const char *reset) {
  beat_ms_ = now_ms;
  event_ms_ = now_ms - kEventGapMs;
  head(now_ms);
  put("\"boot\":{\"fw\":\"");
  put(plan_.firmware);
  put("\",\"rst\":\"");
  put(reset);
  put("\"}}");
  finish();
}

void Bridge::sample(uint8_t index, bool level, uint32_t now_ms) {
  if (index >= plan_.input_count) return;
  Input &input = inputs_[index];
  const bool active = level != plan_.inputs[index].active_low;
  const bool first = !input.known && input.changed_ms == 0 && !input.pending;
  if (first || active != static_cast<bool>(input.pending)) {
    input.pending = active;
    // Zero means "never seen"; a millisecond more or less does not matter.
    input.changed_ms = now_ms ? now_ms : 1;
  }
  const bool open = !input.known || input.pending != input.settled;
  if (open && now_ms - input.changed_ms >= plan_.inputs[index].debounce_ms) settle(index, now_ms);
  watch_for_stuck(index, now_ms);
}

void Bridge::settle(uint8_t index, uint32_t now_ms) {
  Input &input = inputs_[index];
  const InputPlan &plan = plan_.inputs[index];
  const bool first = !input.known;
  input.known = 1;
  input.settled = input.pending;
  if (plan.kind == kState) {
    input.event = 1;
  } else if (!first) {
    // A beam that may be blocked counts when it is free again: a parked pram is no person.
    const bool counts = plan.stuck_ms ? !input.settled && !input.stuck : input.settled;
    if (counts) {
      ++input.total;
      input.event = plan.kind == kCounter;
    }
  }
  if (input.settled) {
    input.active_ms = now_ms;
  } else if (input.stuck) {
    input.stuck = 0;
    input.event = 1;
  }
}

void Bridge::watch_for_stuck(uint8_t index, uint32_t now_ms) {
  Input &input = inputs_[index];
  const uint32_t limit = plan_.inputs[index].stuck_ms;
  if (limit && input.settled && !input.stuck && now_ms - input.active_ms >= limit) {
    input.stuck = 1;
    input.event = 1;
  }
}

void Bridge::count(uint8_t index, uint32_t activations) {
  if (index >= plan_.input_count) return;
  inputs_[index].total += activations;
  inputs_[index].known = 1;
  if (activations && plan_.inputs[index].kind == kCounter) inputs_[index].event = 1;
}

void Bridge::set(uint8_t index, int32_t scaled, Status status) {
  if (index >= plan_.value_count) return;
  values_[index].scaled = scaled;
  values_[index].status = status;
  values_[index].known = 1;
}

void Bridge::tick(uint32_t now_ms) {
  const bool spaced = now_ms - event_ms_ >= kEventGapMs;
  if (now_ms - beat_ms_ >= heartbeat_ms_ && spaced) {
    event_ms_ = now_ms;
    if (send(now_ms, true)) beat_ms_ = now_ms;
  } else if (spaced && has_event()) {
    event_ms_ = now_ms;
    send(now_ms, false);
  }
}

bool Bridge::has_event() const {
  for (uint8_t at = 0; at < plan_.input_count; ++at) {
    if (inputs_[at].event) return true;
  }
  return false;
}

// Sends what has changed, or everything; true if all of it was written.
bool Bridge::send(uint32_t now_ms, bool everything) {
  bool written = true;
  uint16_t sent = 0;  // inputs of this turn, one bit each
  head(now_ms);
  put("\"r\":[");
  in_items_ = false;
  for (uint8_t at = 0; at < plan_.input_count; ++at) {
    Input &input = inputs_[at];
    if (!input.known || !(everything || input.event)) continue;
    next_item(now_ms, written);
    put_input(at);
    input.event = 0;
    sent |= static_cast<uint16_t>(1u << at);
  }
  for (uint8_t at = 0; everything && at < plan_.value_count; ++at) {
    if (!values_[at].known) continue;
    next_item(now_ms, written);
    put_value(at);
    // A number is sent once: what is not measured anew is not repeated as if it were.
    values_[at].known = 0;
  }
  put("]}");
  written = finish() && written;
  for (uint8_t at = 0; !written && at < plan_.input_count; ++at) {
    if (sent & (1u << at)) inputs_[at].event = 1;
  }
  return written;
}

// Makes room for one more item; a full line is finished and a new one begun.
bool Bridge::next_item(uint32_t now_ms, bool &written) {
  if (length_ + 1 + kItemBytes + kEndBytes + kTailBytes > kLineBytes) {
    put("]}");
    written = finish() && written;
    head(now_ms);
    put("\"r\":[");
    in_items_ = false;
  }
  if (in_items_) put(",");
  in_items_ = true;
  return written;
}

void Bridge::put_input(uint8_t index) {
  const Input &input = inputs_[index];
  const bool state = plan_.inputs[index].kind == kState;
  put("{\"n\":\"");
  put(plan_.inputs[index].name);
  put("\",\"v\":");
  if (input.stuck) {
    put("null");
  } else {
    put_number(state ? input.settled : input.total);
  }
  put(state ? ",\"u\":\"bool\"" : ",\"u\":\"count\"");
  if (input.stuck) put_status(kFault);
  put("}");
}

void Bridge::put_value(uint8_t index) {
  const Value &value = values_[index];
  const ValuePlan &plan = plan_.values[index];
  put("{\"n\":\"");
  put(plan.name);
  put("\",\"v\":");
  // A number that means nothing is not sent, never 0 or -1 in its place.
  if (value.status == kFault || value.status == kHeat) {
    put("null");
  } else {
    put_scaled(value.scaled, plan.decimals);
  }
  put(",\"u\":\"");
  put(plan.unit);
  put("\"");
  if (value.status != kOk) put_status(value.status);
  put("}");
}

void Bridge::put_status(uint8_t status) {
  put(",\"st\":\"");
  put(word_of(status));
  put("\"");
}

void Bridge::head(uint32_t now_ms) {
  length_ = 0;
  ++seq_;
  put("{\"v\":1,\"dev\":\"");
  put(plan_.device);
  put("\",\"seq\":");
  put_number(seq_);
  put(",\"ms\":");
  put_number(now_ms);
  put(",");
}

bool Bridge::finish() {
  uint16_t crc = crc16(0xFFFF, line_, length_);
  line_[length_++] = '*';
  for (uint8_t digit = 0; digit < 4; ++digit) {
    line_[length_++] = kHex[crc >> 12];
    crc = static_cast<uint16_t>(crc << 4);
  }
  line_[length_++] = '\n';
  const bool written = write_(context_, line_, length_);
  if (!written) ++lost_;
  return written;
}

void Bridge::receive(char byte, uint32_t now_ms) {
  if (byte == '\r') return;
  if (byte == '\n') {
    if (!command_overlong_) obey(now_ms);
    command_length_ = 0;
    command_overlong_ = false;
    return;
  }
  if (command_length_ + 1 >= kCommandBytes) {
    command_overlong_ = true;
    return;
  }
  command_[command_length_++] = byte;
}

// Answers "id" and "set"; anything else, and anything damaged, is passed over in silence.
void Bridge::obey(uint32_t now_ms) {
  if (!command_is_sound()) return;
  uint32_t number = 0;
  if (strstr(command_, "\"cmd\":\"set\"") != nullptr) {
    if (!command_number("\"hb\":", number)) return;
    if (number < kShortestHeartbeatMs || number > kLongestHeartbeatMs) return;
    heartbeat_ms_ = number;
  } else if (strstr(command_, "\"cmd\":\"id\"") == nullptr) {
    return;
  }
  head(now_ms);
  if (command_number("\"seq\":", number)) {
    put("\"re\":");
    put_number(number);
    put(",");
  }
  put("\"id\":{\"fw\":\"");
  put(plan_.firmware);
  put("\",\"hb\":");
  put_number(heartbeat_ms_);
  put(",\"lost\":");
  put_number(lost_);
  put("}}");
  finish();
}

// True for `{…}*CRC4`; cuts the CRC off and ends the text with a zero.
bool Bridge::command_is_sound() {
  if (command_length_ < kTailBytes + 2 || command_[0] != '{') return false;
  const size_t body = command_length_ - kTailBytes;
  if (command_[body] != '*' || command_[body - 1] != '}') return false;
  uint16_t crc = crc16(0xFFFF, command_, body);
  for (uint8_t digit = 0; digit < 4; ++digit) {
    if (command_[body + 1 + digit] != kHex[crc >> 12]) return false;
    crc = static_cast<uint16_t>(crc << 4);
  }
  command_[body] = '\0';
  return true;
}

bool Bridge::command_number(const char *key, uint32_t &number) const {
  const char *at = strstr(command_, key);
  if (at == nullptr) return false;
  at += strlen(key);
  number = 0;
  uint8_t digits = 0;
  for (; at[digits] >= '0' && at[digits] <= '9'; ++digits) {
    if (digits == 9) return false;
    number = number * 10 + static_cast<uint32_t>(at[digits] - '0');
  }
  return digits > 0;
}

void Bridge::put(const char *text) {
  while (*text != '\0' && length_ < kLineBytes - kTailBytes) line_[length_++] = *text++;
}

void Bridge::put_number(uint32_t number) {
  char digits[11];
  uint8_t at = sizeof digits - 1;
  digits[at] = '\0';
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number);
  put(digits + at);
}

void Bridge::put_scaled(int32_t scaled, uint8_t decimals) {
  uint32_t rest = static_cast<uint32_t>(scaled);
  if (scaled < 0) {
    put("-");
    rest = 0u - rest;
  }
  uint32_t unit = 1;
  for (uint8_t digit = 0; digit < decimals; ++digit) unit *= 10;
  put_number(rest / unit);
  if (decimals == 0) return;
  put(".");
  for (rest %= unit; unit > 1; rest %= unit) {
    unit /= 10;
    const char digit[2] = {static_cast<char>('0' + rest / unit), '\0'};
    put(digit);
  }
}

int8_t BeamPair::step(bool a, bool b) {
  int8_t passed = 0;
  if (a && b) {
    both_ = true;
  } else if (a != b && !last_a_ && !last_b_) {
    first_ = a ? 1 : -1;
    both_ = false;
  } else if (!a && !b && (last_a_ != last_b_)) {
    // The passage is empty again: the beam that was freed last says where they left.
    const int8_t last = last_a_ ? 1 : -1;
    if (both_ && first_ != 0 && last != first_) passed = first_;
    first_ = 0;
    both_ = false;
  }
  last_a_ = a;
  last_b_ = b;
  return passed;
}

}  // namespace bridge
