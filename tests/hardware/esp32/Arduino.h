// What the sketch uses of the ESP32's Arduino core, declared only: no compiler for that chip can be
// had from the registries. After arduino-esp32, cores/esp32 (2.0.x and 3.x).
#pragma once
#include <cstddef>
#include <cstdint>

#define HIGH 0x1
#define LOW 0x0
#define INPUT_PULLUP 0x05

using std::size_t;
typedef unsigned char byte;

unsigned long millis();
void pinMode(uint8_t pin, uint8_t mode);
int digitalRead(uint8_t pin);
uint16_t analogRead(uint8_t pin);

class HardwareSerial {
 public:
  void begin(unsigned long baud);
  int available();
  int availableForWrite();
  int read();
  size_t write(uint8_t content);
};
extern HardwareSerial Serial;
