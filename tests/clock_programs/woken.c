/* Two threads that wake each other, and live on. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int asked, answered;

static void
set (int *number, int value)
{
  pthread_mutex_lock (&mutex);
  *number = value;
  pthread_cond_broadcast (&changed);
  pthread_mutex_unlock (&mutex);
}

/* Not for ever: who is not woken says so, five seconds later. */
static void
await (const int *number, int value)
{
  struct timespec end;

  clock_gettime (CLOCK_REALTIME, &end);
  end.tv_sec += 5;
  pthread_mutex_lock (&mutex);
  while (*number < value && pthread_cond_timedwait (&changed, &mutex, &end) == 0)
    ;
  pthread_mutex_unlock (&mutex);
}

static void *
answer (void *data)
{
  for (int i = 1; i <= 2; i++) {
    await (&asked, i);
    sleep (1);
    set (&answered, i);
  }
  pause ();
  return data;
}

int
main (void)
{
  pthread_t thread;

  pthread_create (&thread, NULL, answer, NULL);
  for (int i = 1; i <= 2; i++) {
    sleep (1);
    set (&asked, i);
    await (&answered, i);
    printf ("answer %d\n", i);
  }
  fflush (stdout);
  _exit (0);
}
