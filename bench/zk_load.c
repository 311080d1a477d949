// zk_load: closed-loop load on ZooKeeper through its asynchronous C client, for bench/peers.py,
// which builds it: cc -O2 -DTHREADED zk_load.c -lzookeeper_mt (Debian: libzookeeper-mt-dev).
// usage: zk_load fill|set|get OUTSTANDING SECONDS HOST:PORT...
// Three sessions with each server named share OUTSTANDING operations on /key0 ... /key9999, of 64
// bytes. fill makes these nodes and takes as long as it takes. Prints operations a second, p50 and
// p99 in milliseconds.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zookeeper/zookeeper.h>

enum { kKeys = 10000, kValueBytes = 64, kSessionsPerServer = 3, kMostServers = 16 };
enum { kMostOperations = 20 * 1000 * 1000, kSessionTimeoutMs = 30000 };

typedef enum { kFill, kSet, kGet } Op;

// One that is always on its way; the next begins in the callback of the one before.
typedef struct {
  zhandle_t* session;
  uint32_t random;
  double begin;
} Operation;

static Op op;
static char value[kValueBytes];
static double end_at;
// Callbacks come from one thread for each session, so all below is the lock's.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int connected;
static int running;
static int filled;
static double* latencies;
static size_t done;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char* what, const char* why) {
  fprintf(stderr, "zk_load: %s: %s\n", what, why);
  exit(1);
}

static void begin_next(Operation* operation);

static void complete(Operation* operation, int rc) {
  if (rc != ZOK && !(op == kFill && rc == ZNODEEXISTS)) {
    die("an operation failed", zerror(rc));
  }
  const double time = now();
  pthread_mutex_lock(&lock);
  if (done == kMostOperations) {
    die("too many operations", "name fewer seconds");
  }
  latencies[done++] = time - operation->begin;
  const int more = op == kFill ? filled < kKeys : time < end_at;
  if (!more && --running == 0) {
    pthread_cond_signal(&changed);
  }
  pthread_mutex_unlock(&lock);
  if (more) {
    begin_next(operation);
  }
}

static void on_created(int rc, const char* name, const void* operation) {
  (void)name;
  complete((Operation*)operation, rc);
}

static void on_set(int rc, const struct Stat* stat, const void* operation) {
  (void)stat;
  complete((Operation*)operation, rc);
}

static void on_got(int rc, const char* data, int size, const struct Stat* stat,
                   const void* operation) {
  (void)data;
  (void)size;
  (void)stat;
  complete((Operation*)operation, rc);
}

static uint32_t next_key(Operation* operation) {
  if (op != kFill) {
    operation->random = operation->random * 1664525 + 1013904223;  // Numerical Recipes' generator
    return (operation->random >> 8) % kKeys;
  }
  pthread_mutex_lock(&lock);
  const int key = filled++ % kKeys;
  pthread_mutex_unlock(&lock);
  return (uint32_t)key;
}

static void begin_next(Operation* operation) {
  char path[32];
  snprintf(path, sizeof path, "/key%u", next_key(operation));
  operation->begin = now();
  int rc = ZOK;
  if (op == kFill) {
    rc = zoo_acreate(operation->session, path, value, kValueBytes, &ZOO_OPEN_ACL_UNSAFE, 0,
                     on_created, operation);
  } else if (op == kSet) {
    rc = zoo_aset(operation->session, path, value, kValueBytes, -1, on_set, operation);
  } else {
    rc = zoo_aget(operation->session, path, 0, on_got, operation);
  }
  if (rc != ZOK) {
    die("an operation was refused", zerror(rc));
  }
}

static void on_session(zhandle_t* session, int type, int state, const char* path, void* context) {
  (void)session;
  (void)path;
  (void)context;
  if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE) {
    pthread_mutex_lock(&lock);
    ++connected;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
  }
}

static int ascending(const void* left, const void* right) {
  const double a = *(const double*)left;
  const double b = *(const double*)right;
  return (a > b) - (a < b);
}

int main(int argc, char** argv) {
  const int servers = argc - 4;
  if (servers < 1 || servers > kMostServers) {
    die("usage", "zk_load fill|set|get OUTSTANDING SECONDS HOST:PORT...");
  }
  op = strcmp(argv[1], "fill") == 0 ? kFill : strcmp(argv[1], "set") == 0 ? kSet : kGet;
  const int outstanding = atoi(argv[2]);
  const int sessions = servers * kSessionsPerServer;
  zhandle_t* session[kMostServers * kSessionsPerServer];
  Operation* operations = calloc((size_t)outstanding, sizeof *operations);
  latencies = malloc(sizeof *latencies * kMostOperations);
  memset(value, 'x', sizeof value);
  zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
  for (int i = 0; i < sessions; ++i) {
    session[i] =
        zookeeper_init(argv[4 + i % servers], on_session, kSessionTimeoutMs, NULL, NULL, 0);
  }
  pthread_mutex_lock(&lock);
  while (connected < sessions) {
    pthread_cond_wait(&changed, &lock);
  }
  running = outstanding;
  pthread_mutex_unlock(&lock);
  const double begin = now();
  end_at = begin + atof(argv[3]);
  for (int i = 0; i < outstanding; ++i) {
    operations[i].session = session[i % sessions];
    operations[i].random = (uint32_t)i;
    begin_next(&operations[i]);
  }
  pthread_mutex_lock(&lock);
  while (running > 0) {
    pthread_cond_wait(&changed, &lock);
  }
  pthread_mutex_unlock(&lock);
  const double took = now() - begin;
  qsort(latencies, done, sizeof *latencies, ascending);
  printf("%.1f %.4f %.4f\n", (double)done / took, latencies[done / 2] * 1e3,
         latencies[done * 99 / 100] * 1e3);
  for (int i = 0; i < sessions; ++i) {
    zookeeper_close(session[i]);
  }
  return 0;
}
