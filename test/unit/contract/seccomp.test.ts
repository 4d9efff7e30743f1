import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import { buildSyscallFilter } from '../../../src/contract/sandbox/seccomp.js'

const ALLOW = 0x7fff0000
const KILL = 0x80000000
const EPERM = 0x50000 + constants.errno.EPERM
const ENOSYS = 0x50000 + constants.errno.ENOSYS
const AUDIT = { x64: 0xc000003e, arm64: 0xc00000b7 }
type Architecture = keyof typeof AUDIT

/** What the kernel makes of a call: runs the classic BPF program over struct seccomp_data. */
function judge(architecture: Architecture, number: number, args: number[] = [], audit = AUDIT[architecture]): number {
  const program = Buffer.from(buildSyscallFilter(architecture) as Uint8Array)
  const data = Buffer.alloc(64)
  data.writeUInt32LE(number, 0)
  data.writeUInt32LE(audit, 4)
  for (const [index, value] of args.entries()) data.writeUInt32LE(value, 16 + 8 * index)
  let loaded = 0
  for (let at = 0; at < program.length; at += 8) {
    const code = program.readUInt16LE(at)
    const value = program.readUInt32LE(at + 4)
    if (code === 0x06) return value
    if (code === 0x20) loaded = data.readUInt32LE(value)
    else {
      const tests: Record<number, boolean> = {
        21: loaded === value,
        53: loaded >= value,
        69: (loaded & value) !== 0
      }
      expect(tests[code], `the code ${code}`).toBeDefined()
      at += 8 * (program[at + (tests[code] ? 2 : 3)] as number)
    }
  }
  throw new Error('the filter ends without an answer')
}

/** Numbers of linux/unistd.h, with what the filter answers whatever the arguments. */
const ANSWERS: Record<Architecture, Record<number, number[]>> = {
  x64: {
    [EPERM]: [
      ...[101, 103, 155, 161, 163, 165, 166, 167, 168, 169, 172, 173, 175, 176, 179, 212, 246, 248, 249, 250, 298, 300],
      ...[304, 308, 310, 311, 312, 313, 320, 321, 323, 428, 429, 430, 431, 432, 433, 438, 440, 442, 443]
    ],
    [ENOSYS]: [29, 319, 425, 426, 427, 435, 437, 447]
  },
  arm64: {
    [EPERM]: [
      ...[
        18, 39, 40, 41, 51, 60, 89, 104, 105, 106, 116, 117, 142, 217, 218, 219, 224, 225, 241, 262, 265, 268, 270, 271
      ],
      ...[272, 273, 280, 282, 294, 428, 429, 430, 431, 432, 433, 438, 440, 442, 443]
    ],
    [ENOSYS]: [194, 279, 425, 426, 427, 435, 437, 447]
  }
}
/** clone, unshare, chmod and its like, open, openat. */
const BY_ARGUMENTS = { x64: [56, 272, 90, 91, 268, 452, 85, 133, 259, 2, 257], arm64: [220, 97, 52, 53, 452, 33, 56] }

describe.each(['x64', 'arm64'] as const)('the filter of system calls of %s', (architecture) => {
  it('answers every call as it should', () => {
    const wanted = new Map<number, number>()
    for (const [answer, numbers] of Object.entries(ANSWERS[architecture])) {
      for (const number of numbers) wanted.set(number, Number(answer))
    }
    for (let number = 0; number < 600; number++) {
      if (BY_ARGUMENTS[architecture].includes(number)) continue
      const ones = Array.from({ length: 6 }, () => 0xffff_ffff)
      expect(judge(architecture, number), `call ${number}`).toBe(wanted.get(number) ?? ALLOW)
      expect(judge(architecture, number, ones), `call ${number}`).toBe(wanted.get(number) ?? ALLOW)
    }
  })

  it('looks at the arguments of those that need it', () => {
    const [clone, unshare] = architecture === 'x64' ? [56, 272] : [220, 97]
    for (const call of [clone, unshare]) {
      expect(judge(architecture, call, [0x0011_0f00])).toBe(ALLOW)
      for (const bit of [0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x20000]) {
        expect(judge(architecture, call, [bit])).toBe(EPERM)
      }
    }
    const fchmod = architecture === 'x64' ? 91 : 52
    const openat = architecture === 'x64' ? 257 : 56
    for (const [mode, answer] of [
      [0o755, ALLOW],
      [0o4755, EPERM],
      [0o2755, EPERM]
    ] as const) {
      expect(judge(architecture, fchmod, [3, mode])).toBe(answer)
      expect(judge(architecture, 452, [3, 0, mode])).toBe(answer)
      expect(judge(architecture, openat, [3, 0, 0o101, mode])).toBe(answer)
      expect(judge(architecture, openat, [3, 0, 0o20200002, mode])).toBe(answer)
      expect(judge(architecture, openat, [3, 0, 0o2, mode])).toBe(ALLOW)
    }
  })

  it('ends programs of another architecture, and knows no calls of x32', () => {
    for (const audit of [0x40000003, AUDIT[architecture === 'x64' ? 'arm64' : 'x64']]) {
      expect(judge(architecture, 1, [], audit)).toBe(KILL)
    }
    if (architecture === 'x64') expect(judge(architecture, 0x40000001)).toBe(ENOSYS)
  })
})

it('there is none for a machine that is not known', () => {
  expect(buildSyscallFilter('riscv64')).toBeNull()
})
