import type { StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { type YamuxMuxerInit, yamux } from '@libp2p/yamux'

/** What is used of a stream of @libp2p/yamux 8. */
interface YamuxStream {
  state: number
  recvWindow: number
  recvWindowCapacity: number
  sendWindowUpdate(): void
}

interface YamuxMuxer {
  _newStream?: (...args: unknown[]) => YamuxStream
}

/** StreamState.Established of @libp2p/yamux: the opening flags have been sent. */
const ESTABLISHED = 3

/**
 * yamux, save that a window update is sent when half of the window is used, as Go's does. @libp2p/yamux answers every
 * data frame with one, which doubles the packets of a protocol of small messages.
 */
export function calmYamux(init?: YamuxMuxerInit): () => StreamMuxerFactory {
  const create = yamux(init)
  return () => {
    const factory = create()
    const createMuxer = factory.createStreamMuxer.bind(factory)
    const calmed: StreamMuxerFactory = factory
    calmed.createStreamMuxer = (connection) => calm(createMuxer(connection))
    return calmed
  }
}

function calm(muxer: StreamMuxer): StreamMuxer {
  const internals = muxer as unknown as YamuxMuxer
  const newStream = internals._newStream?.bind(muxer)
  // Another version without these internals just sends its updates.
  if (newStream === undefined) return muxer
  internals._newStream = (...args) => {
    const stream = newStream(...args)
    const send = stream.sendWindowUpdate.bind(stream)
    stream.sendWindowUpdate = () => {
      if (stream.state === ESTABLISHED && stream.recvWindowCapacity * 2 > stream.recvWindow) return
      send()
    }
    return stream
  }
  return muxer
}
