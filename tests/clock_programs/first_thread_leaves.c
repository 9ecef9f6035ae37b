/* The first thread ends before the others do, and one of those is cancelled. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *
sleep_long (void *data)
{
  sleep (100);
  return data;
}

static void *
cancel_other (void *data)
{
  pthread_t *other = data;
  void *result;

  sleep (1);
  pthread_cancel (*other);
  pthread_join (*other, &result);
  printf ("cancelled %d\n", result == PTHREAD_CANCELED);
  return NULL;
}

int
main (void)
{
  static pthread_t sleeper, other;

  pthread_create (&sleeper, NULL, sleep_long, NULL);
  pthread_create (&other, NULL, cancel_other, &sleeper);
  pthread_exit (NULL);
}
