/* Condition variables on both clocks, semaphores, read-write locks, timed locks. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;
static int is_ready;

static void *
run (void *data)
{
  pthread_rwlock_wrlock (&rwlock);
  sleep (1);
  pthread_rwlock_unlock (&rwlock);
  pthread_mutex_lock (&mutex);
  is_ready = 1;
  pthread_cond_broadcast (&cond);
  sleep (1);
  pthread_mutex_unlock (&mutex);
  sleep (1);
  sem_post (&semaphore);
  return data;
}

static struct timespec
from_now (clockid_t clock, long milliseconds)
{
  struct timespec time;

  clock_gettime (clock, &time);
  time.tv_nsec += milliseconds % 1000 * 1000000;
  time.tv_sec += milliseconds / 1000 + time.tv_nsec / 1000000000;
  time.tv_nsec %= 1000000000;
  return time;
}

static void
say (const char *what, int result)
{
  struct timespec time;

  clock_gettime (CLOCK_MONOTONIC, &time);
  printf ("%s %d\n", what, result);
}

int
main (void)
{
  pthread_t thread;
  pthread_condattr_t attributes;
  pthread_cond_t monotonic;
  struct timespec end;
  void *result;

  pthread_condattr_init (&attributes);
  pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
  pthread_cond_init (&monotonic, &attributes);
  sem_init (&semaphore, 0, 0);
  pthread_create (&thread, NULL, run, &is_ready);
  usleep (1000);
  pthread_rwlock_rdlock (&rwlock);
  say ("rwlock", 0);
  pthread_rwlock_unlock (&rwlock);
  pthread_mutex_lock (&mutex);
  while (!is_ready)
    pthread_cond_wait (&cond, &mutex);
  say ("cond", 0);
  end = from_now (CLOCK_MONOTONIC, 250);
  say ("timedwait", pthread_cond_timedwait (&monotonic, &mutex, &end) == ETIMEDOUT);
  end = from_now (CLOCK_REALTIME, 250);
  say ("timedwait", pthread_cond_timedwait (&cond, &mutex, &end) == ETIMEDOUT);
  pthread_mutex_unlock (&mutex);
  end = from_now (CLOCK_REALTIME, 200);
  say ("sem_timedwait", sem_timedwait (&semaphore, &end) < 0 && errno == ETIMEDOUT);
  say ("sem_wait", sem_wait (&semaphore));
  pthread_join (thread, &result);
  say ("join", result == &is_ready);
  return 0;
}
