/** The last words before a connection is closed on purpose. */
import type { Connection, Stream } from '@libp2p/interface'
import { Goodbye } from '../codec/pb/network.js'
import { Deadline, raceAbort } from './deadline.js'
import { decodeLenient } from './decode.js'
import { FRAME_MESSAGE, FrameReader, finishStream, writeFrame } from './frames.js'
import { GOODBYE_PROTOCOL } from './hello.js'

const TIMEOUT_MS = 1000
const MAX_BYTES = 1024

/** Says why, if the peer listens, and aborts the connection. */
export async function sayGoodbye(connection: Connection, code: string, reason: string): Promise<void> {
  const deadline = new Deadline(TIMEOUT_MS, undefined, true)
  try {
    const stream = await raceAbort(connection.newStream(GOODBYE_PROTOCOL, { signal: deadline.signal }), deadline.signal)
    await writeFrame(stream, FRAME_MESSAGE, Goodbye.encode({ code, reason }), deadline)
    await raceAbort(finishStream(stream), deadline.signal)
  } catch {
    // It is cut all the same.
  } finally {
    deadline.clear()
    connection.abort(new Error(reason))
  }
}

/** Null when the peer ended the stream without a word. Throws CodecError and RequestError for what is malformed or late. */
export async function readGoodbye(stream: Stream): Promise<{ code: string; reason: string } | null> {
  const deadline = new Deadline(TIMEOUT_MS, undefined, true)
  try {
    const frame = await new FrameReader(stream).read(MAX_BYTES, deadline)
    if (frame === null) return null
    const { code, reason } = decodeLenient(Goodbye, frame.body, 'goodbye')
    return { code: printable(code, 32), reason: printable(reason, 256) }
  } finally {
    deadline.clear()
    void finishStream(stream)
  }
}

/** It goes to logs and terminals. */
function printable(text: string, max: number): string {
  return text.slice(0, max).replace(/[^\x20-\x7e]/g, '?')
}
