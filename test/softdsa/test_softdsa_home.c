/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Where the soft DSA makes its directory, which user owns that, and which
 * directories of others it leaves alone. Some tests need root, because they act
 * as another user for a while.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "softdsa_dir.h"

#define HANG_MS 60000
/* Two user ids that no user of this machine has. */
#define USER 61001
#define OTHER 61002

/* What tests make is below this; of root, and searchable. */
static char top[] = "/tmp/ferry-home.XXXXXX";

static const char *
below(const char *name)
{
	static char path[8][PATH_MAX];
	static unsigned int i;

	i = (i + 1) % 8;
	snprintf(path[i], sizeof(path[i]), "%s/%s", top, name);
	return path[i];
}

static void
directory(const char *name, uid_t uid, mode_t mode)
{
	assert_int_equal(mkdir(below(name), 0700), 0);
	assert_int_equal(chown(below(name), uid, uid), 0);
	assert_int_equal(chmod(below(name), mode), 0);
}

static void
file(const char *name)
{
	int fd = open(below(name), O_WRONLY | O_CREAT | O_EXCL, 0644);

	assert_true(fd >= 0);
	close(fd);
}

static bool
there(const char *name)
{
	struct stat st;

	return lstat(below(name), &st) == 0;
}

/* In front of the C library's: so many calls fail. */
static unsigned int no_dice;

ssize_t
getrandom(void *buf, size_t len, unsigned int flags)
{
	if (no_dice > 0) {
		no_dice--;
		errno = ENOSYS;
		return -1;
	}
	return syscall(SYS_getrandom, buf, len, flags);
}

/* Descriptors that this process has. */
static int
descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static int before;

static int
setup(void **state)
{
	(void)state;
	before = descriptors();
	strcpy(strrchr(top, '.'), ".XXXXXX");
	return mkdtemp(top) == NULL || chmod(top, 0755) != 0;
}

/* No test leaves a descriptor open. */
static int
teardown(void **state)
{
	char command[PATH_MAX];

	(void)state;
	unsetenv("XDG_RUNTIME_DIR");
	snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command) != 0 || descriptors() != before;
}

#define need_root() do { \
	if (geteuid() != 0) { \
		print_message("skipped: needs root to be two users\n"); \
		skip(); \
	} \
} while (0)

/* Run as USER: what f returns, 0 to 100. */
static int
as_user(int (*f)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgid(USER) != 0 || setuid(USER) != 0)
			_exit(101);
		_exit(f(arg));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) <= 100);
	return WEXITSTATUS(status);
}

/* 0, or what is wrong as an errno; the words must have a name in them. */
static int
opens(void *path)
{
	char why[SOFTDSA_WHY_LEN] = "";
	int fd = softdsa_home_open(path, why);

	if (fd >= 0)
		close(fd);
	else if (why[0] == '\0')
		return 100;
	return fd >= 0 ? 0 : -fd;
}

static int
opens_as_user(const char *name)
{
	return as_user(opens, (void *)(uintptr_t)below(name));
}

/* Each kind of directory that another user could lead elsewhere is refused. */
static void
test_who_may_change_a_path(void **state)
{
	(void)state;
	need_root();
	directory("own", USER, 0700);
	directory("shared", 0, 01777);
	directory("open", 0, 0777);
	directory("group", USER, 0770);
	directory("others", OTHER, 0755);
	directory("open/own", USER, 0700);
	directory("others/own", USER, 0700);
	directory("shared/own", USER, 0700);
	assert_int_equal(symlink(below("own"), below("link")), 0);
	assert_int_equal(symlink(below("shared"), below("way")), 0);
	file("file");
	assert_int_equal(opens_as_user("own"), 0);
	assert_int_equal(opens_as_user("own/"), 0);
	assert_int_equal(opens_as_user(".//own/."), 0);
	assert_int_equal(opens_as_user("shared"), 0);
	assert_int_equal(opens_as_user("shared/own"), 0);
	assert_int_equal(opens_as_user("open"), EPERM);
	assert_int_equal(opens_as_user("group"), EPERM);
	assert_int_equal(opens_as_user("others"), EPERM);
	/* Not only the last part counts. */
	assert_int_equal(opens_as_user("open/own"), EPERM);
	assert_int_equal(opens_as_user("others/own"), EPERM);
	assert_int_equal(opens_as_user("link"), ELOOP);
	assert_int_equal(opens_as_user("way/own"), ELOOP);
	assert_int_equal(opens_as_user("own/../own"), EINVAL);
	assert_int_equal(opens_as_user("file"), ENOTDIR);
	assert_int_equal(opens_as_user("none"), ENOENT);
	assert_int_equal(opens((void *)(uintptr_t)"tmp"), EINVAL);
	assert_int_equal(opens((void *)(uintptr_t)""), EINVAL);
	assert_int_equal(opens((void *)(uintptr_t)"/"), 0);
}

/* In a root of its own. */
static int
opens_inside(void *path)
{
	if (chdir(path) != 0 || chroot(".") != 0 || setgid(USER) != 0 ||
			setuid(USER) != 0)
		return 99;
	return opens((void *)(uintptr_t)"/own");
}

static int
opens_in_root(const char *name)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(opens_inside((void *)(uintptr_t)below(name)));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Who may change the root directory may change all paths. */
static void
test_a_path_begins_at_the_root(void **state)
{
	(void)state;
	need_root();
	directory("good", 0, 0755);
	directory("open", 0, 0777);
	directory("others", OTHER, 0755);
	directory("good/own", USER, 0700);
	directory("open/own", USER, 0700);
	directory("others/own", USER, 0700);
	assert_int_equal(opens_in_root("good"), 0);
	assert_int_equal(opens_in_root("open"), EPERM);
	assert_int_equal(opens_in_root("others"), EPERM);
}

static void
test_words(void **state)
{
	char why[SOFTDSA_WHY_LEN];

	(void)state;
	need_root();
	directory("others", OTHER, 0755);
	directory("open", 0, 0777);
	assert_int_equal(symlink("open", below("link")), 0);
	assert_true(softdsa_home_open(below("others"), why) < 0);
	assert_non_null(strstr(why, "others belongs to user 61002"));
	assert_true(softdsa_home_open(below("open"), why) < 0);
	assert_non_null(strstr(why, "open and rename what is in it"));
	assert_non_null(strstr(why, "chmod +t"));
	assert_true(softdsa_home_open(below("link"), why) < 0);
	assert_non_null(strstr(why, "link is a symbolic link"));
}

static int
make_and_go(void *arg)
{
	struct softdsa_config config;
	char why[SOFTDSA_WHY_LEN];
	struct softdsa_dir dir;
	struct stat st;
	int ok;

	umask(0);
	setenv("XDG_RUNTIME_DIR", arg, 1);
	softdsa_config_default(&config);
	if (softdsa_dir_make(&dir, &config, true, why) != 0)
		return 1;
	ok = strncmp(dir.root, arg, strlen(arg)) == 0;
	if (lstat(dir.root, &st) != 0 || (st.st_mode & 07777) != 0700)
		ok = 0;
	softdsa_dir_remove(&dir);
	if (lstat(dir.root, &st) == 0)
		return 3;
	return ok ? 0 : 2;
}

/* Made where only its user can change it, otherwise in the next place. */
static void
test_made_in_a_safe_place(void **state)
{
	(void)state;
	need_root();
	directory("own", USER, 0700);
	directory("others", OTHER, 01777);
	assert_int_equal(as_user(make_and_go, (void *)(uintptr_t)below("own")),
		0);
	/* In /tmp instead. */
	assert_int_equal(as_user(make_and_go,
		(void *)(uintptr_t)below("others")), 2);
}

/* Of a path that leaves no room for its name nothing is made. */
static void
test_a_long_path_is_left_out(void **state)
{
	char name[NAME_MAX];
	size_t len = SOFTDSA_ROOT_LEN - 20 - strlen(below(""));

	(void)state;
	need_root();
	memset(name, 'x', len);
	name[len] = '\0';
	directory(name, USER, 0700);
	assert_int_equal(as_user(make_and_go, (void *)(uintptr_t)below(name)),
		2);
	/* Nothing is in it. */
	assert_int_equal(rmdir(below(name)), 0);
}

/* As USER in a root with nothing in it. */
static int
nowhere(void *root)
{
	struct softdsa_config config;
	char why[SOFTDSA_WHY_LEN];
	struct softdsa_dir dir;

	if (chroot(root) != 0 || chdir("/") != 0 || setgid(USER) != 0 ||
			setuid(USER) != 0)
		return 1;
	setenv("XDG_RUNTIME_DIR", "/none", 1);
	softdsa_config_default(&config);
	if (softdsa_dir_make(&dir, &config, true, why) != -ENOENT)
		return 2;
	return strcmp(why, "/run: No such file or directory; "
		"/none: No such file or directory; "
		"/tmp: No such file or directory") != 0 ? 3 : 0;
}

static void
test_what_is_wrong_with_each_place_is_told(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	need_root();
	directory("empty", 0, 0755);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(nowhere((void *)(uintptr_t)below("empty")));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Where its attributes have room, and its portals have not. */
static void
test_a_directory_without_room_is_not_left(void **state)
{
	const struct rlimit small = { 1000, RLIM_INFINITY };
	struct softdsa_config config;
	char why[SOFTDSA_WHY_LEN];
	struct rlimit limit;
	struct softdsa_dir dir;
	int ret;

	(void)state;
	softdsa_config_default(&config);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	ret = softdsa_dir_make(&dir, &config, false, why);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(ret, -EFBIG);
	assert_non_null(strstr(why, "File too large"));
	assert_int_equal(access(dir.root, F_OK), -1);
}

static void
test_a_state_that_cannot_be_told(void **state)
{
	char why[SOFTDSA_WHY_LEN], path[SOFTDSA_PATH_LEN];
	struct softdsa_config config;
	struct softdsa_dir dir;

	(void)state;
	softdsa_config_default(&config);
	assert_int_equal(softdsa_dir_make(&dir, &config, true, why), 0);
	softdsa_dir_path(&dir, "disabled", path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(softdsa_dir_set_state(&dir, 0, "disabled"), -ENOENT);
	assert_int_equal(softdsa_dir_set_state(&dir, 0, "enabled"), 0);
	softdsa_dir_remove(&dir);
	close(dir.lock);
}

static void
test_without_random_numbers_none_is_made(void **state)
{
	struct softdsa_config config;
	char why[SOFTDSA_WHY_LEN];
	struct softdsa_dir dir;

	(void)state;
	softdsa_config_default(&config);
	no_dice = 1;
	assert_int_equal(softdsa_dir_make(&dir, &config, false, why), -EIO);
	assert_string_equal(why, "no random numbers");
	assert_int_equal(no_dice, 0);
}

static int
is_private(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if ((st->st_mode & 07777) == (type == FTW_D ? 0700 : 0600))
		return 0;
	print_error("%s has mode %o\n", path, st->st_mode);
	return 1;
}

/* Whatever the umask says. A portal is a page, or nothing at all. */
static void
test_all_of_it_is_its_users(void **state)
{
	struct softdsa_config config;
	char why[SOFTDSA_WHY_LEN], path[SOFTDSA_PATH_LEN];
	struct softdsa_dir dir;
	struct stat st;
	int empty;

	(void)state;
	softdsa_config_default(&config);
	for (empty = 0; empty < 2; empty++) {
		const mode_t mask = umask(0);

		assert_int_equal(softdsa_dir_make(&dir, &config, empty, why),
			0);
		umask(mask);
		assert_int_equal(nftw(dir.root, is_private, 8, FTW_PHYS), 0);
		softdsa_dir_path(&dir, "dev/wq0.0", path);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_size, empty ? 0 : 4096);
		softdsa_dir_remove(&dir);
		close(dir.lock);
	}
}

/* A child with the lock of below(name), until its pipe is closed. */
static pid_t
keeper(const char *name, int *pipe_fd, pid_t *grandchild)
{
	int fds[2], ready[2], fd;
	char c = 0;
	pid_t pid, none;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pid_t child = 0;

		close(fds[1]);
		fd = open(below(name), O_RDONLY | O_DIRECTORY);
		if (softdsa_lock_take(fd) < 0)
			_exit(1);
		if (grandchild != NULL) {
			/* Has the lock's file open for as long as it lives. */
			child = fork();
			if (child == 0)
				for (;;)
					pause();
		}
		if (write(ready[1], &child, sizeof(child)) !=
				sizeof(child))
			_exit(1);
		_exit(read(fds[0], &c, 1) < 0);
	}
	close(fds[0]);
	close(ready[1]);
	if (grandchild == NULL)
		grandchild = &none;
	assert_int_equal(read(ready[0], grandchild, sizeof(*grandchild)),
		sizeof(*grandchild));
	close(ready[0]);
	*pipe_fd = fds[1];
	return pid;
}

static void
keeper_end(pid_t pid, int pipe_fd)
{
	int status;

	close(pipe_fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool
orphaned(const char *name)
{
	int fd = open(below(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ret;

	assert_true(fd >= 0);
	ret = softdsa_lock_orphaned(fd);
	close(fd);
	return ret;
}

/* The lock ends with its process, not with the children of that. */
static void
test_lock(void **state)
{
	pid_t pid, child;
	int fd;

	(void)state;
	directory("d", geteuid(), 0700);
	/* Being made. */
	assert_false(orphaned("d"));
	pid = keeper("d", &fd, &child);
	assert_false(orphaned("d"));
	/* Looking at it does not take it away. */
	assert_false(orphaned("d"));
	keeper_end(pid, fd);
	assert_int_equal(kill(child, 0), 0);
	assert_true(orphaned("d"));
	kill(child, SIGKILL);
}

/* Of a program without standard input a file may have the number 0. */
static void
test_a_lock_is_looked_at_whatever_its_number(void **state)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	int fd, dir, input;
	bool is;
	pid_t pid;

	(void)state;
	directory("d", geteuid(), 0700);
	pid = keeper("d", &fd, NULL);
	assert_int_equal(utimensat(AT_FDCWD, below("d"), old, 0), 0);
	dir = open(below("d"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	input = fcntl(0, F_DUPFD_CLOEXEC, 0);
	assert_true(input > 0);
	close(0);
	errno = ENOENT;
	is = softdsa_lock_orphaned(dir);
	assert_int_equal(dup2(input, 0), 0);
	close(input);
	close(dir);
	assert_false(is);
	keeper_end(pid, fd);
}

static void
test_a_lock_that_cannot_be_taken(void **state)
{
	int fd;

	(void)state;
	directory("d", geteuid(), 0700);
	directory("d/lock", geteuid(), 0700);
	fd = open(below("d"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(softdsa_lock_take(fd), -EISDIR);
	/* It was begun. */
	assert_int_equal(softdsa_lock_take(fd), -EEXIST);
	close(fd);
}

/* A file in the lock's place that is not a lock of the soft DSA says nothing
 * about its directory, and does not hold up the process that looks at it. */
static void
test_odd_locks(void **state)
{
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	(void)state;
	directory("fifo", geteuid(), 0700);
	assert_int_equal(mkfifo(below("fifo/lock"), 0600), 0);
	assert_false(orphaned("fifo"));
	directory("link", geteuid(), 0700);
	file("target");
	assert_int_equal(symlink(below("target"), below("link/lock")), 0);
	assert_false(orphaned("link"));
	directory("dir", geteuid(), 0700);
	directory("dir/lock", geteuid(), 0700);
	assert_false(orphaned("dir"));
	/* Its maker died before it made the lock, an hour ago. */
	directory("half", geteuid(), 0700);
	assert_false(orphaned("half"));
	assert_int_equal(utimensat(AT_FDCWD, below("half"), old, 0), 0);
	assert_true(orphaned("half"));
}

static int
sweep_in(void *arg)
{
	setenv("XDG_RUNTIME_DIR", arg, 1);
	softdsa_dir_sweep();
	return 0;
}

/* What is swept, and what is not; nothing outside is touched. */
static void
test_sweep(void **state)
{
	pid_t pid;
	int fd;

	(void)state;
	need_root();
	directory("p", 0, 01777);
	directory("victim", USER, 0700);
	file("victim/file");
	assert_int_equal(chown(below("victim/file"), USER, USER), 0);
	/* Dead, with a link that leads out of it. */
	directory("p/ferry-softdsa.1.dead", USER, 0700);
	directory("p/ferry-softdsa.1.dead/dev", USER, 0700);
	file("p/ferry-softdsa.1.dead/dev/wq0.0");
	file("p/ferry-softdsa.1.dead/lock");
	assert_int_equal(chown(below("p/ferry-softdsa.1.dead/lock"), USER,
		USER), 0);
	assert_int_equal(symlink(below("victim"),
		below("p/ferry-softdsa.1.dead/out")), 0);
	/* Planted by another: a link to what is ours, and one of theirs. */
	assert_int_equal(symlink(below("victim"),
		below("p/ferry-softdsa.1.link")), 0);
	directory("p/ferry-softdsa.1.other", OTHER, 0777);
	file("p/ferry-softdsa.1.other/lock");
	assert_int_equal(chmod(below("p/ferry-softdsa.1.other/lock"), 0666),
		0);
	/* Alive, whatever its name says. */
	directory("p/ferry-softdsa.1.live", USER, 0700);
	pid = keeper("p/ferry-softdsa.1.live", &fd, NULL);
	assert_int_equal(chown(below("p/ferry-softdsa.1.live/lock"), USER,
		USER), 0);
	/* Not of this device. */
	directory("p/ferry.1.x", USER, 0700);
	assert_int_equal(as_user(sweep_in, (void *)(uintptr_t)below("p")), 0);
	assert_false(there("p/ferry-softdsa.1.dead"));
	assert_true(there("victim/file"));
	assert_true(there("p/ferry-softdsa.1.link"));
	assert_true(there("p/ferry-softdsa.1.other/lock"));
	assert_true(there("p/ferry-softdsa.1.live/lock"));
	assert_true(there("p/ferry.1.x"));
	keeper_end(pid, fd);
	assert_int_equal(as_user(sweep_in, (void *)(uintptr_t)below("p")), 0);
	assert_false(there("p/ferry-softdsa.1.live"));
}

/* A place that others can lead elsewhere is not swept. */
static void
test_no_sweep_behind_a_link(void **state)
{
	(void)state;
	need_root();
	directory("p", USER, 0700);
	directory("p/ferry-softdsa.1.dead", USER, 0700);
	file("p/ferry-softdsa.1.dead/lock");
	assert_int_equal(chown(below("p/ferry-softdsa.1.dead/lock"), USER,
		USER), 0);
	assert_int_equal(symlink(below("p"), below("link")), 0);
	assert_int_equal(as_user(sweep_in, (void *)(uintptr_t)below("link")),
		0);
	assert_true(there("p/ferry-softdsa.1.dead/lock"));
	assert_int_equal(as_user(sweep_in, (void *)(uintptr_t)below("p")), 0);
	assert_false(there("p/ferry-softdsa.1.dead"));
}

/* Only the directory that was made is removed, not what came in its place. */
static void
test_removed_is_what_was_made(void **state)
{
	struct softdsa_config config;
	char why[SOFTDSA_WHY_LEN], moved[SOFTDSA_PATH_LEN + 8];
	struct softdsa_dir dir;
	char path[SOFTDSA_PATH_LEN];

	(void)state;
	softdsa_config_default(&config);
	assert_int_equal(softdsa_dir_make(&dir, &config, true, why), 0);
	snprintf(moved, sizeof(moved), "%s.moved", dir.root);
	assert_int_equal(rename(dir.root, moved), 0);
	assert_int_equal(mkdir(dir.root, 0700), 0);
	softdsa_dir_path(&dir, "mine", path);
	assert_int_equal(mkdir(path, 0700), 0);
	softdsa_dir_remove(&dir);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(dir.root), 0);
	assert_int_equal(symlink(moved, dir.root), 0);
	softdsa_dir_remove(&dir);
	assert_int_equal(unlink(dir.root), 0);
	assert_int_equal(rename(moved, dir.root), 0);
	softdsa_dir_remove(&dir);
	assert_int_equal(access(dir.root, F_OK), -1);
	close(dir.lock);
}

/* Who reads what the program writes comes to its end when the program
 * closes. */
static void
test_the_watcher_keeps_no_file_open(void **state)
{
	struct softdsa_config config;
	char why[SOFTDSA_WHY_LEN];
	struct softdsa_dir dir;
	struct pollfd p;
	int fds[2];

	(void)state;
	softdsa_config_default(&config);
	assert_int_equal(softdsa_dir_make(&dir, &config, true, why), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(softdsa_watch_start(&dir), 0);
	close(fds[1]);
	p = (struct pollfd) { .fd = fds[0], .events = POLLIN };
	assert_int_equal(poll(&p, 1, HANG_MS), 1);
	assert_int_equal(p.revents, POLLHUP);
	close(fds[0]);
	softdsa_dir_remove(&dir);
	close(dir.lock);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_who_may_change_a_path),
		TEST(test_a_path_begins_at_the_root),
		TEST(test_words),
		TEST(test_made_in_a_safe_place),
		TEST(test_a_long_path_is_left_out),
		TEST(test_what_is_wrong_with_each_place_is_told),
		TEST(test_a_directory_without_room_is_not_left),
		TEST(test_a_state_that_cannot_be_told),
		TEST(test_without_random_numbers_none_is_made),
		TEST(test_all_of_it_is_its_users),
		TEST(test_lock),
		TEST(test_a_lock_is_looked_at_whatever_its_number),
		TEST(test_a_lock_that_cannot_be_taken),
		TEST(test_odd_locks),
		TEST(test_sweep),
		TEST(test_no_sweep_behind_a_link),
		TEST(test_removed_is_what_was_made),
		TEST(test_the_watcher_keeps_no_file_open),
	};

	return cmocka_run_group_tests_name("softdsa_home", tests, NULL, NULL);
}
