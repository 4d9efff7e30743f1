/** Reads what a peer sends on its gossip stream, in gossipsub's place: gossipsub drops bad frames without a word. */
import type { Stream } from '@libp2p/interface'

/** gossipsub answers IWANT with many messages in one frame, which its encoder bounds at 4 MiB. */
export const MAX_GOSSIP_FRAME_BYTES = 5 * 1024 * 1024

/** What the decoder of the frames throws for a length that no node of ours sends. */
const LENGTH_ERRORS = new Set(['InvalidDataLengthError', 'InvalidDataLengthLengthError', 'InvalidMessageLengthError'])

export interface GossipReader<T> {
  /** Throws for a frame that is no RPC. */
  decode(frame: Uint8Array): T
  take(rpc: T): void
  /** A whole frame came that does not decode. */
  onGarbage(error: Error): void
  /** A length came that no frame may have; the stream is reset, and nothing more of it is read. */
  onOversized(error: Error): void
  /** The stream was cut, be it within a frame: says nothing against the peer. */
  onBroken(error: Error): void
}

/** Until the stream ends, whatever the way. Only bytes that have come count: what a cut has swallowed does not. */
export async function readGossip<T>(
  frames: AsyncIterable<{ subarray(): Uint8Array }>,
  stream: Pick<Stream, 'abort'> | undefined,
  reader: GossipReader<T>
): Promise<void> {
  try {
    for await (const frame of frames) {
      let rpc: T
      try {
        rpc = reader.decode(frame.subarray())
      } catch (error) {
        reader.onGarbage(error as Error)
        continue
      }
      reader.take(rpc)
    }
  } catch (error) {
    const reason = error instanceof Error ? error : new Error(String(error))
    if (!LENGTH_ERRORS.has(reason.name)) return reader.onBroken(reason)
    reader.onOversized(reason)
    stream?.abort(reason)
  }
}
