/* A disk that fails, preloaded into a command (LD_PRELOAD).
 *
 * It counts the calls that change files below the directory FAULT_BELOW, and at the one with the
 * number FAULT_AT (from 1 on) does what FAULT_MODE says:
 *
 *   eio, enospc   the call fails, and does nothing
 *   short         a write takes half of its bytes; another call is let pass
 *   kill          the process is killed before the call
 *   torn          the process is killed after half of a write; before another call
 *   full          this call and all later ones that need room fail with ENOSPC
 *   dead          this call and all later ones fail with EIO
 *
 * Each call is a line of FAULT_LOG: its number, its name, its path. Without FAULT_AT all pass.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { WRITE, GROW, OTHER };
enum verdict { PASS, FAIL, HALF, HALF_AND_DIE };

static atomic_long calls;

static int is_below(const char *path)
{
    const char *below = getenv("FAULT_BELOW");
    size_t length = below ? strlen(below) : 0;
    return length && !strncmp(path, below, length) && (path[length] == '/' || !path[length]);
}

static void die(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

static void note(long number, const char *name, const char *path)
{
    const char *log = getenv("FAULT_LOG");
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, name, path);
    long descriptor = log ? syscall(SYS_open, log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (descriptor >= 0) {
        syscall(SYS_write, descriptor, line, length);
        syscall(SYS_close, descriptor);
    }
}

static enum verdict judged(const char *name, enum kind kind, const char *path)
{
    const char *at = getenv("FAULT_AT"), *mode = getenv("FAULT_MODE");
    long number, wanted = at ? atol(at) : 0;
    if (!is_below(path))
        return PASS;
    number = ++calls;
    note(number, name, path);
    if (!wanted || !mode || number < wanted)
        return PASS;
    if (!strcmp(mode, "full")) {
        errno = ENOSPC;
        return kind == OTHER ? PASS : FAIL;
    }
    if (!strcmp(mode, "dead")) {
        errno = EIO;
        return FAIL;
    }
    if (number > wanted)
        return PASS;
    if (!strcmp(mode, "kill") || (!strcmp(mode, "torn") && kind != WRITE))
        die();
    if (!strcmp(mode, "torn"))
        return HALF_AND_DIE;
    if (!strcmp(mode, "short"))
        return kind == WRITE ? HALF : PASS;
    errno = strcmp(mode, "enospc") ? EIO : ENOSPC;
    return FAIL;
}

static enum verdict judged_open(const char *name, enum kind kind, int descriptor)
{
    char link[64], path[PATH_MAX];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return judged(name, kind, path);
}

static enum verdict judged_at(const char *name, enum kind kind, int directory, const char *path)
{
    char link[64], whole[2 * PATH_MAX];
    ssize_t length;
    if (*path == '/')
        return judged(name, kind, path);
    snprintf(link, sizeof link, directory == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d",
             directory);
    length = readlink(link, whole, PATH_MAX);
    snprintf(whole + (length < 0 ? 0 : length), PATH_MAX, "/%s", path);
    return judged(name, kind, whole);
}

#define REAL(type, name, parameters)                      \
    static type(*real) parameters;                        \
    if (!real)                                            \
    real = (type(*) parameters)dlsym(RTLD_NEXT, #name)

static size_t half(size_t count)
{
    return count > 1 ? count / 2 : count;
}

ssize_t write(int descriptor, const void *content, size_t count)
{
    REAL(ssize_t, write, (int, const void *, size_t));
    enum verdict verdict = judged_open("write", WRITE, descriptor);
    if (verdict == FAIL)
        return -1;
    if (verdict == HALF_AND_DIE) {
        real(descriptor, content, half(count));
        die();
    }
    return real(descriptor, content, verdict == HALF ? half(count) : count);
}

ssize_t pwrite64(int descriptor, const void *content, size_t count, off64_t offset)
{
    REAL(ssize_t, pwrite64, (int, const void *, size_t, off64_t));
    enum verdict verdict = judged_open("pwrite64", WRITE, descriptor);
    if (verdict == FAIL)
        return -1;
    if (verdict == HALF_AND_DIE) {
        real(descriptor, content, half(count), offset);
        die();
    }
    return real(descriptor, content, verdict == HALF ? half(count) : count, offset);
}

ssize_t pwrite(int descriptor, const void *content, size_t count, off_t offset)
{
    return pwrite64(descriptor, content, count, offset);
}

int fsync(int descriptor)
{
    REAL(int, fsync, (int));
    return judged_open("fsync", OTHER, descriptor) == FAIL ? -1 : real(descriptor);
}

int fdatasync(int descriptor)
{
    REAL(int, fdatasync, (int));
    return judged_open("fdatasync", OTHER, descriptor) == FAIL ? -1 : real(descriptor);
}

int ftruncate64(int descriptor, off64_t length)
{
    REAL(int, ftruncate64, (int, off64_t));
    return judged_open("ftruncate", length ? GROW : OTHER, descriptor) == FAIL
               ? -1
               : real(descriptor, length);
}

int ftruncate(int descriptor, off_t length)
{
    return ftruncate64(descriptor, length);
}

int posix_fallocate64(int descriptor, off64_t offset, off64_t length)
{
    REAL(int, posix_fallocate64, (int, off64_t, off64_t));
    return judged_open("fallocate", GROW, descriptor) == FAIL ? errno
                                                              : real(descriptor, offset, length);
}

int posix_fallocate(int descriptor, off_t offset, off_t length)
{
    return posix_fallocate64(descriptor, offset, length);
}

int rename(const char *from, const char *to)
{
    REAL(int, rename, (const char *, const char *));
    return judged_at("rename", GROW, AT_FDCWD, to) == FAIL ? -1 : real(from, to);
}

int link(const char *from, const char *to)
{
    REAL(int, link, (const char *, const char *));
    return judged_at("link", GROW, AT_FDCWD, to) == FAIL ? -1 : real(from, to);
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags)
{
    REAL(int, linkat, (int, const char *, int, const char *, int));
    return judged_at("linkat", GROW, to_directory, to) == FAIL
               ? -1
               : real(from_directory, from, to_directory, to, flags);
}

int unlink(const char *path)
{
    REAL(int, unlink, (const char *));
    return judged_at("unlink", OTHER, AT_FDCWD, path) == FAIL ? -1 : real(path);
}

int unlinkat(int directory, const char *path, int flags)
{
    REAL(int, unlinkat, (int, const char *, int));
    return judged_at("unlinkat", OTHER, directory, path) == FAIL ? -1
                                                                 : real(directory, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(int, mkdir, (const char *, mode_t));
    return judged_at("mkdir", GROW, AT_FDCWD, path) == FAIL ? -1 : real(path, mode);
}
