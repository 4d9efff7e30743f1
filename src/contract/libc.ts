import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { getSystemErrorName } from 'node:util'

// Values of Linux on every architecture that Node runs on.
const AF_UNIX = 1
const SOCK_SEQPACKET = 5
const CLOEXEC = 0o2000000
const MSG_TRUNC = 0x20
const MSG_DONTWAIT = 0x40
const EINTR = 4
const EAGAIN = 11
const POLLIN = 0x1
const POLLHUP = 0x10
const FIONREAD = 0x541b
const F_SETFD = 2
const FD_CLOEXEC = 1
const CLOSE_RANGE_CLOEXEC = 4
const FD_MAX = 0xffff_ffff
const F_DUPFD_CLOEXEC = 1030
const POSIX_SPAWN_SETSIGDEF = 0x04
const POSIX_SPAWN_SETSIGMASK = 0x08
const POSIX_SPAWN_SETSID = 0x80
const WNOHANG = 1
const PR_SET_CHILD_SUBREAPER = 36
/** More than posix_spawn's two structures and a signal set take with any C library of Linux. */
const SPAWN_STRUCT_BYTES = 1024

/** What a look at a message socket found. */
export type Received =
  /** `size` may be larger than the buffer: the rest of the message is lost. */
  { kind: 'message'; size: number } | { kind: 'nothing' } | { kind: 'closed' }

/** Numbers of Linux for setrlimit(2), the same on all machines that Node runs on. */
export const RESOURCES = { cpuSeconds: 0, fileBytes: 1, dataBytes: 2, coreBytes: 4, openFiles: 7 } as const

export interface ResourceLimit {
  resource: keyof typeof RESOURCES
  soft: number
  hard: number
}

/** The few calls of the C library that Node has no API for. */
export interface Libc {
  /** Both ends, close-on-exec; each write on one is one read on the other. */
  openMessageSockets(): [ours: number, theirs: number]
  /** A pipe, close-on-exec. */
  openPipe(): [readEnd: number, writeEnd: number]
  /** Bytes that wait in a pipe; either end will do. */
  countWaiting(fd: number): number
  /** Marks every descriptor from 3 close-on-exec, also those that the node itself was started with. */
  protectDescriptors(): void
  /** Never blocks. */
  receive(fd: number, buffer: Uint8Array): Received
  /**
   * Starts a process in a session of its own, with all signals as by default; the index in `stdio` is its descriptor,
   * the value ours. Returns its pid, for `wait`. Throws an error with the system's code.
   */
  spawn(file: string, args: string[], env: Record<string, string>, dir: string, stdio: readonly number[]): number
  /** Sets limits of a process (prlimit(2)), soft and hard; its children inherit them. Throws an error with the code. */
  setLimits(pid: number, limits: readonly ResourceLimit[]): void
  /**
   * Makes this process the parent of descendants that lose theirs, as `init` is elsewhere: in a container there may be
   * nobody who waits for them, and they would stay as zombies.
   */
  adoptOrphans(): void
  /** The status of wait(2) once a process that `spawn` started has ended, else null; asks once for each end. */
  wait(pid: number): number | null
}

let known: Libc | null | undefined

/** null where it cannot be had: another system than Linux, or no build of koffi for this machine. */
export function loadLibc(): Libc | null {
  if (known !== undefined) return known
  known = null
  if (process.platform !== 'linux') return known
  try {
    known = bindLibc()
  } catch {
    // The party line works without it, with a stream in place of messages; `capabilities` says so.
  }
  return known
}

function bindLibc(): Libc {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const library = koffi.load(null)
  const socketpair = library.func('int socketpair(int domain, int type, int protocol, _Out_ int *fds)')
  const pipe2 = library.func('int pipe2(_Out_ int *fds, int flags)')
  const recv = library.func('int64_t recv(int fd, _Out_ uint8_t *buffer, size_t length, int flags)')
  const poll = library.func('int poll(_Inout_ uint8_t *fds, unsigned long count, int timeoutMs)')
  // Declared with a fixed third argument: koffi prepares each call of a variadic function anew (0.1 ms). On Linux both
  // kinds of call pass a pointer the same way.
  const ioctl = library.func('int ioctl(int fd, unsigned long request, _Out_ int *value)')

  const fcntl = library.func('int fcntl(int fd, int command, ...)')
  const closeRange = bindOptional(() =>
    library.func('int close_range(unsigned int first, unsigned int last, int flags)')
  )

  const openPair = (open: (fds: number[]) => number): [number, number] => {
    const fds = [-1, -1]
    if (open(fds) !== 0) throw new Error(`no descriptors for the party line (errno ${koffi.errno()})`)
    return [fds[0] as number, fds[1] as number]
  }

  const countWaiting = (fd: number): number => {
    const waiting = [0]
    ioctl(fd, FIONREAD, waiting)
    return waiting[0] as number
  }

  /** True when the other end is closed and nothing that has content waits. */
  const isOver = (fd: number): boolean => {
    const entry = Buffer.alloc(8)
    entry.writeInt32LE(fd, 0)
    entry.writeInt16LE(POLLIN, 4)
    if (poll(entry, 1, 0) <= 0 || (entry.readInt16LE(6) & POLLHUP) === 0) return false
    return countWaiting(fd) === 0
  }

  return {
    ...bindSpawn(koffi, library, fcntl),
    ...bindLimits(koffi, library),
    openMessageSockets: () => openPair((fds) => socketpair(AF_UNIX, SOCK_SEQPACKET | CLOEXEC, 0, fds)),
    openPipe: () => openPair((fds) => pipe2(fds, CLOEXEC)),
    countWaiting,
    protectDescriptors: () => {
      // One call where the kernel (5.11) and the library know it.
      if (closeRange?.(3, FD_MAX, CLOSE_RANGE_CLOEXEC) === 0) return
      for (const name of readdirSync('/proc/self/fd')) {
        if (Number(name) >= 3) fcntl(Number(name), F_SETFD, 'int', FD_CLOEXEC)
      }
    },
    receive(fd, buffer) {
      for (;;) {
        const size = Number(recv(fd, buffer, buffer.length, MSG_DONTWAIT | MSG_TRUNC))
        if (size > 0) return { kind: 'message', size }
        if (size < 0) {
          const errno = koffi.errno()
          if (errno === EINTR) continue
          return { kind: errno === EAGAIN ? 'nothing' : 'closed' }
        }
        // 0 is the end, or an empty message, which the party line does not carry.
        if (isOver(fd)) return { kind: 'closed' }
      }
    }
  }
}

type Koffi = typeof import('koffi')
type Library = ReturnType<Koffi['load']>

/** The mode bits that the contract's files do not get unless it says otherwise. */
const UMASK = 0o022

function bindLimits(koffi: Koffi, library: Library): Pick<Libc, 'setLimits' | 'adoptOrphans'> {
  const prctl = library.func(
    'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)'
  )
  // With 64-bit numbers on every machine: musl's prlimit has them anyway and no other name for it.
  const bind = (name: string) => library.func(`int ${name}(int pid, int resource, const void *limit, void *old)`)
  const prlimit = bindOptional(() => bind('prlimit64')) ?? bind('prlimit')
  return {
    adoptOrphans: () => void prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0),
    setLimits(pid, limits) {
      const pair = Buffer.alloc(16)
      for (const { resource, soft, hard } of limits) {
        pair.writeBigUInt64LE(BigInt(soft), 0)
        pair.writeBigUInt64LE(BigInt(hard), 8)
        if (prlimit(pid, RESOURCES[resource], pair, null) === 0) continue
        const code = getSystemErrorName(-koffi.errno())
        throw Object.assign(new Error(`prlimit of ${resource}: ${code}`), { code })
      }
    }
  }
}

function bindSpawn(
  koffi: Koffi,
  library: Library,
  fcntl: (...args: unknown[]) => number
): Pick<Libc, 'spawn' | 'wait'> {
  const initActions = library.func('int posix_spawn_file_actions_init(void *actions)')
  const addDup2 = library.func('int posix_spawn_file_actions_adddup2(void *actions, int fd, int newfd)')
  const addChdir = library.func('int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)')
  const destroyActions = library.func('int posix_spawn_file_actions_destroy(void *actions)')
  const initAttributes = library.func('int posix_spawnattr_init(void *attributes)')
  const setFlags = library.func('int posix_spawnattr_setflags(void *attributes, short flags)')
  const setDefaults = library.func('int posix_spawnattr_setsigdefault(void *attributes, void *set)')
  const setMask = library.func('int posix_spawnattr_setsigmask(void *attributes, void *set)')
  const destroyAttributes = library.func('int posix_spawnattr_destroy(void *attributes)')
  const fillSignals = library.func('int sigfillset(void *set)')
  const emptySignals = library.func('int sigemptyset(void *set)')
  const posixSpawn = library.func(
    'int posix_spawn(_Out_ int *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)'
  )
  const waitpid = library.func('int waitpid(int pid, _Out_ int *status, int options)')
  const close = library.func('int close(int fd)')
  const umask = library.func('unsigned int umask(unsigned int mask)')

  const allSignals = Buffer.alloc(SPAWN_STRUCT_BYTES)
  fillSignals(allSignals)
  const noSignals = Buffer.alloc(SPAWN_STRUCT_BYTES)
  emptySignals(noSignals)

  const check = (error: number): void => {
    if (error === 0) return
    const code = getSystemErrorName(-error)
    throw Object.assign(new Error(`posix_spawn: ${code}`), { code })
  }

  return {
    spawn(file, args, env, dir, stdio) {
      const actions = Buffer.alloc(SPAWN_STRUCT_BYTES)
      const attributes = Buffer.alloc(SPAWN_STRUCT_BYTES)
      // What lies where the new process has its own would be overwritten before its turn comes.
      const moved = new Map<number, number>()
      check(initActions(actions))
      check(initAttributes(attributes))
      try {
        for (const fd of stdio) {
          if (fd >= stdio.length || moved.has(fd)) continue
          const copy = fcntl(fd, F_DUPFD_CLOEXEC, 'int', stdio.length)
          if (copy < 0) check(koffi.errno())
          moved.set(fd, copy)
        }
        for (const [index, fd] of stdio.entries()) check(addDup2(actions, moved.get(fd) ?? fd, index))
        check(addChdir(actions, dir))
        check(setFlags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        check(setDefaults(attributes, allSignals))
        check(setMask(attributes, noSignals))
        const pid = [0]
        const environment = Object.entries(env).map(([name, value]) => `${name}=${value}`)
        // Children inherit it and nothing else sets it. It is the node's for a moment, which its threads may notice
        // only where it is not the usual one anyway.
        const mask = umask(UMASK)
        try {
          check(posixSpawn(pid, file, actions, attributes, [file, ...args, null], [...environment, null]))
        } finally {
          if (mask !== UMASK) umask(mask)
        }
        return pid[0] as number
      } finally {
        for (const copy of moved.values()) close(copy)
        destroyActions(actions)
        destroyAttributes(attributes)
      }
    },
    wait(pid) {
      const status = [0]
      return waitpid(pid, status, WNOHANG) === pid ? (status[0] as number) : null
    }
  }
}

function bindOptional<T>(bind: () => T): T | null {
  try {
    return bind()
  } catch {
    return null
  }
}
