import { constants, fstatSync, openSync } from 'node:fs'
import type { PublicKey, UserOutput } from '../../consensus/types.js'
import type { ContractLimits } from '../limits.js'
import { closeQuietly, readWhole, type TempFiles } from '../temp-files.js'
import type { Execution } from '../types.js'
import { encodeFdList, type FdPair } from './stdin.js'

export interface ChannelOptions {
  execution: Execution
  publicKey: PublicKey
  limits: ContractLimits
  files: TempFiles
  stdout: number
  stderr: number
  /** Our descriptors for the ends of the party line that the contract gets; 'pipe' lets child_process make one. */
  nplRead: number | 'pipe'
  nplWrite: number | 'pipe'
}

/** Places of the party line in `stdio`. */
export const NPL_READ_FD = 3
export const NPL_WRITE_FD = 4

/** The descriptors of one execution of the `fdlist` interface. */
export class FdListChannels {
  /** For child_process: the index is the contract's descriptor. */
  readonly stdio: (number | 'pipe')[]
  readonly #limits: ContractLimits
  readonly #outputs: { user: PublicKey; fd: number }[] = []
  /** What only the contract needs. */
  readonly #given: number[] = []

  constructor(options: ChannelOptions) {
    const { execution, files } = options
    this.#limits = options.limits
    this.stdio = [0, options.stdout, options.stderr, options.nplRead, options.nplWrite]
    try {
      const users = this.#openUsers(execution, files)
      const list = encodeFdList(execution, options.publicKey, [NPL_READ_FD, NPL_WRITE_FD], users)
      const stdin = files.openContent([list])
      this.#given.push(stdin)
      this.stdio[0] = stdin
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** The contract has its own copies now. */
  closeGiven(): void {
    for (const fd of this.#given.splice(0)) closeQuietly(fd)
  }

  /** Throws nothing; the reason when an output is past its limit. */
  checkOutputs(): string | null {
    return this.#measure().reason
  }

  /** After the contract's end: what each user gets, sorted by key, or the reason why there is none. */
  collect(): { outputs: UserOutput[]; reason: string | null } {
    const { sizes, reason } = this.#measure()
    if (reason !== null) return { outputs: [], reason }
    const outputs: UserOutput[] = []
    for (const [index, { user, fd }] of this.#outputs.entries()) {
      const size = sizes[index] as number
      if (size > 0) outputs.push({ user, content: readWhole(fd, size) })
    }
    outputs.sort((a, b) => (a.user < b.user ? -1 : 1))
    return { outputs, reason: null }
  }

  close(): void {
    this.closeGiven()
    for (const { fd } of this.#outputs.splice(0)) closeQuietly(fd)
  }

  #openUsers(execution: Execution, files: TempFiles): Map<PublicKey, FdPair> {
    const users = new Map<PublicKey, FdPair>()
    // Users without input share one descriptor that is always at its end.
    const empty = openSync('/dev/null', constants.O_RDONLY)
    this.#given.push(empty)
    let fd = this.stdio.length
    for (const { key, inputs } of execution.users) {
      let input = empty
      if (inputs.some((content) => content.length > 0)) {
        input = files.openContent(inputs)
        this.#given.push(input)
      }
      const output = files.openAppend()
      this.#outputs.push({ user: key, fd: output })
      this.stdio.push(input, output)
      users.set(key, [fd, fd + 1])
      fd += 2
    }
    return users
  }

  #measure(): { sizes: number[]; reason: string | null } {
    const { userOutputBytes, ledgerOutputBytes } = this.#limits
    let total = 0
    const sizes: number[] = []
    for (const { fd } of this.#outputs) {
      const { size } = fstatSync(fd)
      if (size > userOutputBytes) return { sizes, reason: `output limit of ${userOutputBytes} bytes for a user` }
      total += size
      if (total > ledgerOutputBytes) return { sizes, reason: `output limit of ${ledgerOutputBytes} bytes for a ledger` }
      sizes.push(size)
    }
    return { sizes, reason: null }
  }
}
