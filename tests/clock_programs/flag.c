/* Spins on a flag that another thread sets: no call that the clock could see. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static volatile int flag;

static void *
set_flag (void *data)
{
  usleep (10000);
  flag = 1;
  return data;
}

int
main (void)
{
  pthread_t thread;

  pthread_create (&thread, NULL, set_flag, NULL);
  while (!flag)
    ;
  pthread_join (thread, NULL);
  printf ("seen\n");
  return 0;
}
