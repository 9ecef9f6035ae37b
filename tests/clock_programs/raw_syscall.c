/* Sleeps without libc. */
#include <stdio.h>
#include <time.h>

int
main (void)
{
  struct timespec time = { 0, 100000000 };
  long result;

#if defined(__x86_64__)
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(35), "D"(&time), "S"(0)
                   : "rcx", "r11", "memory");
#else
  result = 0;
#endif
  printf ("slept %ld\n", result);
  return 0;
}
