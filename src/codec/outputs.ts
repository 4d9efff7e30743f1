import type { UserOutput } from '../consensus/types.js'
import {
  asBytes,
  bytesToHex,
  CodecError,
  checkAscending,
  checkCount,
  decodeCanonical,
  hexToBytes,
  KEY_BYTES
} from './canonical.js'
import { LIMITS } from './limits.js'
import * as pb from './pb/ledger.js'

/**
 * Outputs in their one order: by user key, without users that have none.
 *
 * @throws CodecError when a user is listed twice or there are too many users or bytes
 */
export function sortOutputs(outputs: readonly UserOutput[]): UserOutput[] {
  const sorted = outputs.filter(({ content }) => content.length > 0)
  sorted.sort((a, b) => (a.user < b.user ? -1 : a.user > b.user ? 1 : 0))
  checkOutputs(sorted)
  return sorted
}

function checkOutputs(outputs: readonly UserOutput[]): void {
  checkCount(outputs.length, LIMITS.usersPerLedger, 'outputs: users')
  const bytes = outputs.reduce((sum, { content }) => sum + content.length, 0)
  checkCount(bytes, LIMITS.outputBytesPerLedger, 'outputs: bytes')
  checkAscending(
    outputs.map(({ user }) => user),
    'outputs: users'
  )
}

/** @throws CodecError */
export function encodeOutputList(outputs: readonly UserOutput[]): Uint8Array {
  return pb.OutputList.encode({
    outputs: sortOutputs(outputs).map(({ user, content }) => ({
      key: hexToBytes(user, KEY_BYTES, 'outputs: user key'),
      content: asBytes(content)
    }))
  })
}

/** Contents share memory with `bytes`. @throws CodecError */
export function decodeOutputList(bytes: Uint8Array): UserOutput[] {
  const message = decodeCanonical(pb.OutputList, bytes, {
    maxBytes: LIMITS.outputListBytes,
    name: 'outputs',
    limits: { outputs: LIMITS.usersPerLedger }
  })
  const outputs = message.outputs.map(({ key, content }) => {
    if (content.length === 0) throw new CodecError('out-of-range', 'outputs: a user without output is listed')
    return { user: bytesToHex(key, KEY_BYTES, 'outputs: user key'), content }
  })
  checkOutputs(outputs)
  return outputs
}
