import { constants } from 'node:os'

// Of linux/bpf_common.h, linux/seccomp.h and linux/audit.h.
const LOAD = 0x20
const JUMP_EQUAL = 0x15
const JUMP_NOT_BELOW = 0x35
const JUMP_SET = 0x45
const RETURN = 0x06
const ALLOW = 0x7fff0000
const KILL_PROCESS = 0x80000000
const ERRNO = 0x00050000
const NUMBER_AT = 0
const ARCHITECTURE_AT = 4
const ARGUMENTS_AT = 16
const X32_BIT = 0x40000000

const SETUID_OR_SETGID = 0o6000
/** O_CREAT and the bit of O_TMPFILE: only then open(2) has a mode. */
const CREATES = 0o20000100
/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NEW_NAMESPACE = 0x7e020000

type Numbers = Record<string, number>

interface Machine {
  audit: number
  hasX32: boolean
  numbers: Numbers
}

/** The same on every machine: all calls that are younger than the common numbering. */
const COMMON: Numbers = {
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  clone3: 435,
  openat2: 437,
  pidfd_getfd: 438,
  process_madvise: 440,
  mount_setattr: 442,
  quotactl_fd: 443,
  memfd_secret: 447,
  fchmodat2: 452
}

// biome-ignore format: a table
const X64: Numbers = {
  open: 2, shmget: 29, clone: 56, creat: 85, chmod: 90, fchmod: 91, ptrace: 101, syslog: 103, mknod: 133,
  pivot_root: 155, chroot: 161, acct: 163, mount: 165, umount2: 166, swapon: 167, swapoff: 168, reboot: 169, iopl: 172,
  ioperm: 173, init_module: 175, delete_module: 176, quotactl: 179, lookup_dcookie: 212, kexec_load: 246, add_key: 248,
  request_key: 249, keyctl: 250, openat: 257, mknodat: 259, fchmodat: 268, unshare: 272, perf_event_open: 298,
  fanotify_init: 300, open_by_handle_at: 304, setns: 308, process_vm_readv: 310, process_vm_writev: 311, kcmp: 312,
  finit_module: 313, memfd_create: 319, kexec_file_load: 320, bpf: 321, userfaultfd: 323
}

// biome-ignore format: a table
const ARM64: Numbers = {
  lookup_dcookie: 18, mknodat: 33, umount2: 39, mount: 40, pivot_root: 41, chroot: 51, fchmod: 52, fchmodat: 53,
  openat: 56, quotactl: 60, acct: 89, unshare: 97, kexec_load: 104, init_module: 105, delete_module: 106, syslog: 116,
  ptrace: 117, reboot: 142, shmget: 194, add_key: 217, request_key: 218, keyctl: 219, clone: 220, swapon: 224,
  swapoff: 225, perf_event_open: 241, fanotify_init: 262, open_by_handle_at: 265, setns: 268, process_vm_readv: 270,
  process_vm_writev: 271, kcmp: 272, finit_module: 273, memfd_create: 279, bpf: 280, userfaultfd: 282,
  kexec_file_load: 294
}

const MACHINES: Record<string, Machine> = {
  x64: { audit: 0xc000003e, hasX32: true, numbers: { ...X64, ...COMMON } },
  arm64: { audit: 0xc00000b7, hasX32: false, numbers: { ...ARM64, ...COMMON } }
}

/** Calls that no contract needs and that reach into the kernel, other processes or other mounts. */
const REFUSED = [
  ...['ptrace', 'process_vm_readv', 'process_vm_writev', 'pidfd_getfd', 'process_madvise', 'kcmp'],
  ...['mount', 'umount2', 'pivot_root', 'chroot', 'open_tree', 'move_mount', 'fsopen', 'fsconfig', 'fsmount'],
  ...['fspick', 'mount_setattr', 'setns', 'open_by_handle_at', 'fanotify_init', 'quotactl', 'quotactl_fd'],
  ...['add_key', 'request_key', 'keyctl', 'bpf', 'perf_event_open', 'userfaultfd', 'lookup_dcookie'],
  ...['kexec_load', 'kexec_file_load', 'init_module', 'finit_module', 'delete_module', 'reboot', 'swapon', 'swapoff'],
  ...['acct', 'syslog', 'iopl', 'ioperm']
]

/**
 * Calls that look as on a kernel without them, so that programs fall back on others: the filter cannot see what is
 * behind a pointer (clone3, openat2), io_uring goes around it, and memory of memfd_create and shmget counts nowhere.
 */
const ABSENT = [
  ...['clone3', 'openat2', 'io_uring_setup', 'io_uring_enter', 'io_uring_register'],
  ...['memfd_create', 'memfd_secret', 'shmget']
]

/** Calls refused when an argument has one of the bits. */
const REFUSED_BITS: [name: string, argument: number, bits: number][] = [
  ['clone', 0, NEW_NAMESPACE],
  ['unshare', 0, NEW_NAMESPACE],
  ['chmod', 1, SETUID_OR_SETGID],
  ['fchmod', 1, SETUID_OR_SETGID],
  ['fchmodat', 2, SETUID_OR_SETGID],
  ['fchmodat2', 2, SETUID_OR_SETGID],
  ['creat', 1, SETUID_OR_SETGID],
  ['mknod', 1, SETUID_OR_SETGID],
  ['mknodat', 2, SETUID_OR_SETGID]
]

/** The arguments of flags and mode. */
const OPENS: [name: string, flags: number, mode: number][] = [
  ['open', 1, 2],
  ['openat', 2, 3]
]

/**
 * A filter of system calls (seccomp(2), classic BPF) for bwrap's --seccomp, or null for a machine whose calls it does
 * not know. Programs of another architecture than the node's are killed (SIGSYS).
 */
export function buildSyscallFilter(architecture: string = process.arch): Uint8Array | null {
  const machine = MACHINES[architecture]
  if (machine === undefined) return null
  const { EPERM, ENOSYS } = constants.errno
  const program: Uint8Array[] = [
    step(LOAD, ARCHITECTURE_AT),
    step(JUMP_EQUAL, machine.audit, 1, 0),
    step(RETURN, KILL_PROCESS),
    step(LOAD, NUMBER_AT)
  ]
  const refuse = step(RETURN, ERRNO + EPERM)
  if (machine.hasX32) program.push(step(JUMP_NOT_BELOW, X32_BIT, 0, 1), step(RETURN, ERRNO + ENOSYS))
  const calls: Call[] = []
  const onCall = (name: string, steps: Uint8Array[]): void => {
    const number = machine.numbers[name]
    if (number !== undefined) calls.push({ number, steps })
  }
  for (const name of REFUSED) onCall(name, [refuse])
  for (const name of ABSENT) onCall(name, [step(RETURN, ERRNO + ENOSYS)])
  for (const [name, argument, bits] of REFUSED_BITS) {
    onCall(name, [step(LOAD, placeOf(argument)), step(JUMP_SET, bits, 0, 1), refuse, allow])
  }
  for (const [name, flags, mode] of OPENS) {
    onCall(name, [
      step(LOAD, placeOf(flags)),
      step(JUMP_SET, CREATES, 0, 3),
      step(LOAD, placeOf(mode)),
      step(JUMP_SET, SETUID_OR_SETGID, 0, 1),
      refuse,
      allow
    ])
  }
  calls.sort((a, b) => a.number - b.number)
  return Buffer.concat([...program, ...search(calls)])
}

interface Call {
  number: number
  /** They end with a return on every way. */
  steps: Uint8Array[]
}

/** Compared one after another; with more the half is found first. */
const COMPARED_MAX = 3
const JUMP_MAX = 255

/**
 * Finds the call by halving: when a filter is set the kernel runs it for each call there is, which for one that compares
 * all in a row is most of what the filter costs an execution.
 */
function search(calls: Call[]): Uint8Array[] {
  if (calls.length <= COMPARED_MAX) {
    const compared = calls.flatMap(({ number, steps }) => [step(JUMP_EQUAL, number, 0, steps.length), ...steps])
    return [...compared, allow]
  }
  const half = calls.length >> 1
  const below = search(calls.slice(0, half))
  if (below.length > JUMP_MAX) throw new Error('the filter of system calls is too long for its jumps')
  return [step(JUMP_NOT_BELOW, (calls[half] as Call).number, below.length, 0), ...below, ...search(calls.slice(half))]
}

/** The lower half of an argument: both machines are little-endian. */
const placeOf = (argument: number): number => ARGUMENTS_AT + 8 * argument

/** One struct sock_filter; `yes` and `no` count the steps to jump over. */
function step(code: number, value: number, yes = 0, no = 0): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(yes, 2)
  bytes.writeUInt8(no, 3)
  bytes.writeUInt32LE(value, 4)
  return bytes
}

const allow = step(RETURN, ALLOW)
