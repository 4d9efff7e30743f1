import { constants, fstatSync, openSync } from 'node:fs'
import type { PublicKey, UserOutput } from '../../consensus/types.js'
import type { ContractLimits } from '../limits.js'
import { closeQuietly, readWhole, type TempFiles, writeChunks } from '../temp-files.js'
import type { Execution, ExecutionUser } from '../types.js'
import { encodeFdList, type FdPair } from './stdin.js'

export interface ChannelOptions {
  userCount: number
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

/**
 * Up to this number of users each has an input file, empty or not, so that the descriptors can be made before anybody
 * knows who will have an input. With more, those without share one that is always at its end. It must be the same on
 * every node: a contract can tell one from the other.
 */
export const OWN_INPUTS_MAX = 256

/** The descriptors of one execution of the `fdlist` interface. They can be given to a process before they are filled. */
export class FdListChannels {
  /** For child_process: the index is the contract's descriptor. */
  readonly stdio: (number | 'pipe')[]
  readonly #options: ChannelOptions
  readonly #users: PublicKey[] = []
  /** To be filled, of each user in order; none where they are full from the beginning. */
  readonly #inputs: number[] = []
  readonly #outputs: number[] = []
  #list: number | null = null
  /** What only the contract needs. */
  readonly #given: number[] = []

  /** @param users those of the execution when they are known: needed where there are more than OWN_INPUTS_MAX */
  constructor(options: ChannelOptions, users: ExecutionUser[] | null) {
    this.#options = options
    this.stdio = [0, options.stdout, options.stderr, options.nplRead, options.nplWrite]
    try {
      const list = this.#openFile()
      this.stdio[0] = list.read
      this.#list = list.write
      this.#openUsers(users)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Writes what the contract reads; it must not read yet. The users are as many as was told. */
  fill(execution: Execution, publicKey: PublicKey): void {
    const users = new Map<PublicKey, FdPair>()
    for (const [index, { key, inputs }] of execution.users.entries()) {
      this.#users.push(key)
      const fd = NPL_WRITE_FD + 1 + 2 * index
      users.set(key, [fd, fd + 1])
      const input = this.#inputs[index]
      if (input !== undefined) writeChunks(input, inputs)
    }
    const list = encodeFdList(execution, publicKey, [NPL_READ_FD, NPL_WRITE_FD], users)
    if (this.#list !== null) writeChunks(this.#list, [list])
    this.#closeInputs()
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
    for (const [index, fd] of this.#outputs.entries()) {
      const size = sizes[index] as number
      const user = this.#users[index]
      if (size > 0 && user) outputs.push({ user, content: readWhole(fd, size) })
    }
    outputs.sort((a, b) => (a.user < b.user ? -1 : 1))
    return { outputs, reason: null }
  }

  close(): void {
    this.closeGiven()
    this.#closeInputs()
    for (const fd of this.#outputs.splice(0)) closeQuietly(fd)
  }

  #openUsers(users: ExecutionUser[] | null): void {
    const { userCount, files } = this.#options
    let empty: number | null = null
    for (let index = 0; index < userCount; index++) {
      let read: number
      if (userCount <= OWN_INPUTS_MAX) {
        const input = this.#openFile()
        read = input.read
        this.#inputs.push(input.write)
      } else {
        const inputs = users?.[index]?.inputs ?? []
        if (inputs.some((content) => content.length > 0)) read = this.#give(files.openContent(inputs))
        else {
          empty ??= this.#give(openSync('/dev/null', constants.O_RDONLY))
          read = empty
        }
      }
      const output = files.openAppend()
      this.#outputs.push(output)
      this.stdio.push(read, output)
    }
  }

  #openFile(): { read: number; write: number } {
    const pair = this.#options.files.openPair()
    this.#give(pair.read)
    return pair
  }

  #give(fd: number): number {
    this.#given.push(fd)
    return fd
  }

  #closeInputs(): void {
    if (this.#list !== null) closeQuietly(this.#list)
    this.#list = null
    for (const fd of this.#inputs.splice(0)) closeQuietly(fd)
  }

  #measure(): { sizes: number[]; reason: string | null } {
    const { userOutputBytes, ledgerOutputBytes } = this.#options.limits
    let total = 0
    const sizes: number[] = []
    for (const fd of this.#outputs) {
      const { size } = fstatSync(fd)
      if (size > userOutputBytes) return { sizes, reason: `output limit of ${userOutputBytes} bytes for a user` }
      total += size
      if (total > ledgerOutputBytes) return { sizes, reason: `output limit of ${ledgerOutputBytes} bytes for a ledger` }
      sizes.push(size)
    }
    return { sizes, reason: null }
  }
}
