/* What a disk does to a node: preloaded into it, and told what to do through a mapped page.
 *
 *   JEPSEN_DISK_ROOT     files below it are meant, all others are left alone
 *   JEPSEN_DISK_CONTROL  the page: struct control
 *   JEPSEN_DISK_UNDO     where the bytes that a write replaced are kept until they are durable
 *
 * A write that is not durable can be taken back after kill -9: that is what a loss of power does. A write is durable
 * after an fsync or fdatasync of its file that began after it, or at its return where the file is open with O_DSYNC.
 * Names are taken as durable at once: a lost directory entry is not simulated.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
    int32_t full, write_error, sync_error, sync_delay_ms, records, unused[3];
    int64_t full_seen, write_errors, sync_errors, slow_syncs, recorded;
};

/* Followed by old_length bytes, what stood at offset before. kind 1: a write; 2: everything up to number is durable. */
struct record {
    int64_t kind, number, device, inode, offset, old_size, old_length, new_length;
};

static struct control *control;
static char root[PATH_MAX];
static size_t root_length;
static int undo = -1;
static int64_t last_number;

__attribute__((constructor)) static void begin(void) {
    const char *page = getenv("JEPSEN_DISK_CONTROL"), *below = getenv("JEPSEN_DISK_ROOT");
    const char *kept = getenv("JEPSEN_DISK_UNDO");
    if (!page || !below || !kept || !realpath(below, root))
        return;
    int fd = open(page, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    undo = open(kept, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    root_length = strlen(root);
    if (mapped != MAP_FAILED && undo >= 0)
        control = mapped;
}

/* Whether fd is a regular file below the root. */
static int is_ours(int fd, struct stat *status) {
    char link[64], path[PATH_MAX];
    if (!control || fd == undo || fstat(fd, status) != 0 || !S_ISREG(status->st_mode))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return length > (ssize_t)root_length && memcmp(path, root, root_length) == 0 && path[root_length] == '/';
}

static void count(int64_t *what) { __atomic_add_fetch(what, 1, __ATOMIC_RELAXED); }

static void die(void) {
    dprintf(2, "jepsen-lite: a write cannot be recorded: %s\n", strerror(errno));
    abort();
}

static void write_record(const struct record *head, const void *old) {
    struct iovec parts[2] = {{(void *)head, sizeof *head}, {(void *)old, (size_t)head->old_length}};
    if (syscall(SYS_writev, undo, parts, head->old_length > 0 ? 2 : 1) < 0)
        die(); /* without its record the write could not be taken back, and the fault would lie */
}

/* Keep what a write of length bytes at offset is about to replace. */
static void keep(int fd, const struct stat *status, int64_t offset, int64_t length) {
    struct record head = {1, __atomic_add_fetch(&last_number, 1, __ATOMIC_SEQ_CST), (int64_t)status->st_dev,
                          (int64_t)status->st_ino, offset, status->st_size, 0, length};
    int64_t there = status->st_size - offset;
    void *old = NULL;
    if (there > 0) {
        int64_t wanted = there < length ? there : length;
        old = malloc((size_t)wanted);
        ssize_t got = old ? syscall(SYS_pread64, fd, old, (size_t)wanted, offset) : -1;
        head.old_length = got > 0 ? got : 0;
    }
    write_record(&head, old);
    free(old);
    count(&control->recorded);
}

static void mark_durable(const struct stat *status, int64_t number) {
    struct record head = {2, number, (int64_t)status->st_dev, (int64_t)status->st_ino, 0, 0, 0, 0};
    write_record(&head, NULL);
}

static void delay(void) {
    int32_t ms = control->sync_delay_ms;
    if (ms <= 0)
        return;
    struct timespec wait = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&wait, NULL);
    count(&control->slow_syncs);
}

/* Return 0 when a write may go on, else set errno. */
static int before_write(int fd, struct stat *status, int64_t offset, int64_t length) {
    if (control->write_error) {
        count(&control->write_errors);
        errno = control->write_error;
        return -1;
    }
    if (control->records)
        keep(fd, status, offset, length);
    return 0;
}

/* What is written through O_DSYNC is durable now, or its sync failed. */
static ssize_t after_write(int fd, const struct stat *status, ssize_t written) {
    if (written < 0 || !(fcntl(fd, F_GETFL) & O_DSYNC))
        return written;
    delay();
    if (control->sync_error) {
        count(&control->sync_errors);
        errno = control->sync_error;
        return -1;
    }
    if (control->records)
        mark_durable(status, __atomic_load_n(&last_number, __ATOMIC_SEQ_CST));
    return written;
}

static int64_t length_of(const struct iovec *parts, int part_count) {
    int64_t total = 0;
    for (int part = 0; part < part_count; part++)
        total += (int64_t)parts[part].iov_len;
    return total;
}

static int64_t place_of(int fd, const struct stat *status) {
    return fcntl(fd, F_GETFL) & O_APPEND ? status->st_size : lseek(fd, 0, SEEK_CUR);
}

#define GUARDED(offset, length, call)                                                                                  \
    struct stat status;                                                                                                \
    if (!is_ours(fd, &status))                                                                                         \
        return call;                                                                                                   \
    if (before_write(fd, &status, offset, length) < 0)                                                                 \
        return -1;                                                                                                     \
    return after_write(fd, &status, call)

ssize_t write(int fd, const void *bytes, size_t length) {
    GUARDED(place_of(fd, &status), (int64_t)length, syscall(SYS_write, fd, bytes, length));
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    GUARDED(offset, (int64_t)length, syscall(SYS_pwrite64, fd, bytes, length, offset));
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) { return pwrite64(fd, bytes, length, offset); }

ssize_t writev(int fd, const struct iovec *parts, int part_count) {
    GUARDED(place_of(fd, &status), length_of(parts, part_count), syscall(SYS_writev, fd, parts, part_count));
}

ssize_t pwritev64(int fd, const struct iovec *parts, int part_count, off64_t offset) {
    GUARDED(offset, length_of(parts, part_count), syscall(SYS_pwritev, fd, parts, part_count, offset, 0L));
}

ssize_t pwritev(int fd, const struct iovec *parts, int part_count, off_t offset) {
    return pwritev64(fd, parts, part_count, offset);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int part_count, off64_t offset, int flags) {
    GUARDED(offset, length_of(parts, part_count), syscall(SYS_pwritev2, fd, parts, part_count, offset, 0L, flags));
}

ssize_t pwritev2(int fd, const struct iovec *parts, int part_count, off_t offset, int flags) {
    return pwritev64v2(fd, parts, part_count, offset, flags);
}

static int sync_file(int fd, long number_of_call) {
    struct stat status;
    if (!is_ours(fd, &status))
        return (int)syscall(number_of_call, fd);
    int64_t number = __atomic_load_n(&last_number, __ATOMIC_SEQ_CST);
    delay();
    if (control->sync_error) {
        count(&control->sync_errors);
        errno = control->sync_error;
        return -1;
    }
    int result = (int)syscall(number_of_call, fd);
    if (result == 0 && control->records)
        mark_durable(&status, number);
    return result;
}

int fsync(int fd) { return sync_file(fd, SYS_fsync); }

int fdatasync(int fd) { return sync_file(fd, SYS_fdatasync); }

int statvfs64(const char *path, struct statvfs64 *into) {
    int (*real)(const char *, struct statvfs64 *) =
        (int (*)(const char *, struct statvfs64 *))dlsym(RTLD_NEXT, "statvfs64");
    int result = real(path, into);
    char whole[PATH_MAX];
    if (result == 0 && control && control->full && realpath(path, whole) && strncmp(whole, root, root_length) == 0) {
        into->f_bavail = into->f_bfree = 0;
        count(&control->full_seen);
    }
    return result;
}

int statvfs(const char *path, struct statvfs *into) { return statvfs64(path, (struct statvfs64 *)into); }
