import { EMPTY_OUTPUTS_ROOT } from '../../src/codec/ledger.js'
import type { ExecutionResult, Ledger } from '../../src/consensus/types.js'
import { blake3Hex } from '../../src/crypto/index.js'
import type { World } from './world.js'

/** A contract: the state after a ledger is a hash of the state before and of the inputs; every input is answered. */
export function executeTruly(world: World, ledger: Ledger): ExecutionResult {
  const { result, seq } = ledger.header
  const { configHash } = result
  const failed = world.profile.failingRate > 0 && Number.parseInt(ledger.hash.slice(0, 8), 16) % 10 === 0 && seq > 0
  if (failed) return { status: 'failed', stateRoot: result.stateRoot, outputsRoot: EMPTY_OUTPUTS_ROOT, configHash }
  if (ledger.inputs.length === 0) {
    return { status: 'ok', stateRoot: result.stateRoot, outputsRoot: EMPTY_OUTPUTS_ROOT, configHash }
  }
  const inputs = ledger.inputs.map(({ id }) => id).join()
  const stateRoot = blake3Hex(Buffer.from(`${result.stateRoot} ${inputs}`))
  return { status: 'ok', stateRoot, outputsRoot: blake3Hex(Buffer.from(`outputs ${inputs}`)), configHash }
}

/** `executeTruly`, except where the run's contract is not deterministic. */
export function execute(world: World, node: number, ledger: Ledger): ExecutionResult {
  const result = executeTruly(world, ledger)
  if (!world.random.chance(world.profile.differingRate)) return result
  return { ...result, stateRoot: blake3Hex(Buffer.from(`${result.stateRoot} on ${node}`)) }
}
