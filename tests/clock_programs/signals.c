/* Signals during waits, from a child and from a thread. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void
on_signal (int number)
{
}

static void *
send_later (void *data)
{
  sleep (1);
  pthread_kill (*(pthread_t *) data, SIGUSR1);
  return NULL;
}

int
main (void)
{
  struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
  pthread_t self = pthread_self (), thread;
  int status;
  pid_t pid;

  sigaction (SIGUSR1, &action, NULL);
  sigaction (SIGCHLD, &action, NULL);
  pid = fork ();
  if (pid == 0) {
    sleep (1);
    kill (getppid (), SIGUSR1);
    sleep (100);
    _exit (0);
  }
  printf ("poll %d\n", poll (NULL, 0, 5000) < 0 && errno == EINTR);
  fflush (stdout);
  kill (pid, SIGKILL);
  waitpid (pid, &status, 0);
  printf ("killed %d\n", WTERMSIG (status));
  pthread_create (&thread, NULL, send_later, &self);
  printf ("sleep left %u\n", sleep (10));
  pthread_join (thread, NULL);
  return 0;
}
