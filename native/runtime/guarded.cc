#include "runtime/guarded.h"

#include <algorithm>

namespace bcq::runtime {

void write_message(const std::string& text, char* message, size_t size) {
  if (message == nullptr || size == 0) return;
  size_t length = std::min(text.size(), size - 1);
  while (length < text.size() && length > 0 && (text[length] & 0xc0) == 0x80) --length;
  for (size_t i = 0; i < length; ++i) {
    message[i] = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
  }
  message[length] = '\0';
}

}  // namespace bcq::runtime
