/* Lets the Nth call of a process that could fail do so, with the error number that is wanted.
 *
 * FAIL_NUMBER   which call fails, from 0
 * FAIL_ERRNO    with which error
 * FAIL_ALL      all calls from that one on fail
 * FAIL_COUNT    the file into which the number of calls is written at the end
 *
 * Only what goes through the C library is seen; a raw system call is not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>

static atomic_long calls;

static long number_of(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : -1;
}

static int fails(void) {
    long number = atomic_fetch_add(&calls, 1), wanted = number_of("FAIL_NUMBER");
    if (wanted < 0 || number < wanted || (number > wanted && !getenv("FAIL_ALL")))
        return 0;
    errno = (int)number_of("FAIL_ERRNO");
    return 1;
}

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("FAIL_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld", atomic_load(&calls));
        fclose(file);
    }
}

#define HOOK(result, name, parameters, arguments)                                                  \
    result name parameters {                                                                       \
        static result(*next) parameters;                                                           \
        if (!next)                                                                                 \
            next = (result(*) parameters)dlsym(RTLD_NEXT, #name);                                  \
        return fails() ? -1 : next arguments;                                                      \
    }

#define HOOK_OPEN(name, parameters, arguments)                                                     \
    int name parameters {                                                                          \
        static int (*next)();                                                                      \
        mode_t mode = 0;                                                                           \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                       \
            va_list rest;                                                                          \
            va_start(rest, flags);                                                                 \
            mode = va_arg(rest, mode_t);                                                           \
            va_end(rest);                                                                          \
        }                                                                                          \
        if (!next)                                                                                 \
            next = (int (*)())dlsym(RTLD_NEXT, #name);                                             \
        return fails() ? -1 : next arguments;                                                      \
    }

/* What wakes a thread is no file, and never full. */
static int is_written_to_disk_or_user(int file) {
    struct stat facts;
    return file <= 2 || (fstat(file, &facts) == 0 && S_ISREG(facts.st_mode));
}

ssize_t write(int file, const void *bytes, size_t count) {
    static ssize_t (*next)(int, const void *, size_t);
    if (!next)
        next = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    return is_written_to_disk_or_user(file) && fails() ? -1 : next(file, bytes, count);
}

HOOK(int, fdatasync, (int file), (file))
HOOK(int, fsync, (int file), (file))
HOOK(int, flock, (int file, int operation), (file, operation))
HOOK(int, mkdir, (const char *path, mode_t mode), (path, mode))
HOOK(int, rename, (const char *from, const char *to), (from, to))
HOOK(int, unlink, (const char *path), (path))
HOOK_OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
HOOK_OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
HOOK_OPEN(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
HOOK_OPEN(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
