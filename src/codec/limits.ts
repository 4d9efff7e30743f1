import type { ConfigNumber } from '../consensus/types.js'

const KIB = 1024
const MIB = 1024 * KIB

/** What one encoded thing may hold. A decoder refuses more before it builds anything from it. */
export const LIMITS = {
  /** Validators of a UNL: with more, every ledger's certificate would no longer fit in one packet of some kilobytes. */
  validators: 128,
  /** Connected users of one ledger: the contract gets two descriptors for each. */
  usersPerLedger: 4096,
  /** Inputs of one ledger, whatever their size. */
  inputsPerLedger: 65_536,
  /** Content bytes of all inputs of one ledger: the most that a config may allow. */
  inputBytesPerLedger: 64 * MIB,
  /** Output bytes of all users of one execution: the most that a config may allow. */
  outputBytesPerLedger: 64 * MIB,
  /** UTF-8 bytes of a contract id. */
  contractIdBytes: 256,
  /** An encoded consensus config: 128 keys and eight numbers. */
  configBytes: 8 * KIB,
  /** An encoded genesis: a config, a contract id, a root. */
  genesisBytes: 16 * KIB,
  /** An encoded ledger header: eight hashes, some numbers and one proposal hash for each validator. */
  headerBytes: 8 * KIB,
  /** An encoded certificate: one signature for each validator. */
  certificateBytes: 16 * KIB,
  /** An encoded ledger body: the content of all inputs and what frames users and inputs. */
  bodyBytes: 72 * MIB,
  /** An encoded ledger record: header, body and certificate. */
  recordBytes: 73 * MIB,
  /** An encoded output list: the content of all outputs and what frames them. */
  outputListBytes: 68 * MIB,
  /** An encoded vote payload: two hashes and three numbers. */
  voteBytes: 128,
  /**
   * A forwarded input can be taken by one of this many ledgers at most. Every member remembers for as long which it has
   * taken, so it must hold the last ledgers, this many of them, to take part.
   */
  forwardLedgers: 64
} as const

/** Range of one number of the consensus config, with the value that a new network gets. */
export interface ConfigRange {
  min: number
  max: number
  default: number
  /** What the number means, for errors and documentation. */
  what: string
}

/** The numbers of the config, each with that of its field in ledger.proto. */
export const CONFIG_NUMBERS: Record<ConfigNumber, number> = {
  threshold: 2,
  roundtimeMs: 3,
  minRoundtimeMs: 4,
  ledgerInputBytes: 5,
  userOutputBytes: 6,
  ledgerOutputBytes: 7,
  nplBytes: 8,
  execTimeoutMs: 9
}

/** Every number of the consensus config: outside its range a config is refused. */
export const CONFIG_RANGES: Record<ConfigNumber, ConfigRange> = {
  threshold: { min: 67, max: 100, default: 67, what: 'percent of the UNL that closes a ledger' },
  roundtimeMs: { min: 1, max: 3_600_000, default: 1000, what: 'longest time between two ledgers of an idle network' },
  minRoundtimeMs: { min: 0, max: 3_600_000, default: 0, what: 'shortest time between two ledgers' },
  ledgerInputBytes: { min: 1, max: LIMITS.inputBytesPerLedger, default: 8 * MIB, what: 'input bytes in one ledger' },
  userOutputBytes: {
    min: 1,
    max: LIMITS.outputBytesPerLedger,
    default: 8 * MIB,
    what: 'output bytes of one user in one execution'
  },
  ledgerOutputBytes: {
    min: 1,
    max: LIMITS.outputBytesPerLedger,
    default: 32 * MIB,
    what: 'output bytes of all users in one execution'
  },
  nplBytes: { min: 0, max: 64 * MIB, default: 4 * MIB, what: 'party line bytes of one node in one execution' },
  execTimeoutMs: { min: 1, max: 3_600_000, default: 30_000, what: 'wall time of one execution' }
}
