import { blake3Hex } from '../../src/crypto/index.js'
import { proposalHash } from './honest-node.js'
import { SIGNATURE } from './messages.js'
import type { Scene } from './scene.js'
import type { World } from './world.js'

/** What Byzantine nodes know of a simulated world. */
export function createScene(world: World): Scene {
  const { random, clock, core, signatures } = world
  const { n, quorum, forkHunt } = world.profile
  const proof = { expiryMs: 0, nonce: new Uint8Array(16), signature: SIGNATURE }
  return {
    random,
    clock,
    n,
    quorum,
    forkHunt,
    get peers() {
      return world.peers
    },
    forwarded: world.forwarded,
    isByzantine: (index) => world.isByzantine(index),
    send: (from, to, message) => world.network.send(from, to, message),
    signVote: (vote) => signatures.signVote(vote),
    signProposal: (unsigned) => signatures.signProposal({ ...unsigned, hash: proposalHash(unsigned) }),
    signCandidate: (candidate) => signatures.signCandidate(candidate),
    lie: (index, numbers) => {
      const user = blake3Hex(Buffer.from(`user 0 of ${index}`))
      const inputs = numbers.map((number) => ({
        user,
        id: blake3Hex(Buffer.from(`lie ${number} of ${index}`)),
        content: new Uint8Array(5),
        untilSeq: 0
      }))
      return { users: [{ key: user, proof }], inputs }
    },
    closeLedger: core.closeLedger,
    tipAt: (seq) => (seq === 0 || world.checks.closedAt(seq) !== undefined ? world.tipAt(seq) : null),
    closedAt: (seq) => world.checks.closedAt(seq),
    configAt: (seq) => world.checks.configAt(seq)
  }
}
