// Answers every user with the upper-case (ASCII letters) of what the user sent.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

// All of a file descriptor, with a zero byte behind it.
static char *read_all(int fd, size_t *length) {
  size_t room = 65536, used = 0;
  char *text = malloc(room + 1);
  if (text == NULL) fail("malloc");
  for (;;) {
    ssize_t count = read(fd, text + used, room - used);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("read");
    if (count == 0) break;
    used += (size_t)count;
    if (used == room) {
      room *= 2;
      text = realloc(text, room + 1);
      if (text == NULL) fail("realloc");
    }
  }
  text[used] = '\0';
  *length = used;
  return text;
}

static void write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t count = write(fd, bytes, length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("write");
    bytes += count;
    length -= (size_t)count;
  }
}

static void answer(int input, int output) {
  static char chunk[65536];
  for (;;) {
    ssize_t count = read(input, chunk, sizeof chunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("read");
    if (count == 0) return;
    for (ssize_t i = 0; i < count; i++) {
      if (chunk[i] >= 'a' && chunk[i] <= 'z') chunk[i] -= 'a' - 'A';
    }
    write_all(output, chunk, (size_t)count);
  }
}

int main(void) {
  size_t length;
  char *list = read_all(STDIN_FILENO, &length);
  // The node writes this JSON: the users are its last member, each one "<64 hex>": [input, output].
  char *at = strstr(list, "\"user\":");
  if (at == NULL) {
    fputs("no users in the list on standard input\n", stderr);
    return 1;
  }
  while ((at = strchr(at, '[')) != NULL) {
    char *end;
    long input = strtol(at + 1, &end, 10);
    end += strspn(end, " \n,");
    long output = strtol(end, &end, 10);
    if (input < 3 || output < 3) {
      fputs("a user without file descriptors on standard input\n", stderr);
      return 1;
    }
    answer((int)input, (int)output);
    at = end;
  }
  free(list);
  return 0;
}
