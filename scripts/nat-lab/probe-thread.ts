/**
 * A thread in a network namespace that tells hosts how the others see them, and asks in turn: a STUN of one datagram. The
 * answer to a datagram is the address and port it came from.
 */
import { createSocket, type RemoteInfo } from 'node:dgram'
import { parentPort, workerData } from 'node:worker_threads'
import { enterNamespace } from './system.js'

export interface ProbeRequest {
  id: number
  /** Whom to ask. */
  address: string
  port: number
  timeoutMs: number
}

export interface ProbeAnswer {
  id: number
  /** How the other saw the question; null when no answer came in time. */
  seen: { address: string; port: number; rttMs: number } | null
}

const { namespace, port } = workerData as { namespace: string; port: number }
enterNamespace(namespace)
const socket = createSocket('udp4')
const waiting = new Map<string, (seen: { address: string; port: number }) => void>()

socket.on('message', (message, from: RemoteInfo) => {
  const [kind, id, address, port] = message.toString('latin1').split(' ') as [string, string, string, string]
  if (kind === 'ask') socket.send(`told ${id} ${from.address} ${from.port}`, from.port, from.address)
  else waiting.get(id)?.({ address, port: Number(port) })
})
// A datagram for which there is no way is lost, and the asker's time runs out.
socket.on('error', () => {})
parentPort?.on('message', ({ id, address, port: toPort, timeoutMs }: ProbeRequest) => {
  const startMs = performance.now()
  const answer = (seen: ProbeAnswer['seen']): void => {
    clearTimeout(timer)
    waiting.delete(String(id))
    parentPort?.postMessage({ id, seen } satisfies ProbeAnswer)
  }
  const timer = setTimeout(() => answer(null), timeoutMs)
  waiting.set(String(id), (seen) => answer({ ...seen, rttMs: performance.now() - startMs }))
  socket.send(`ask ${id}`, toPort, address, () => {})
})
socket.bind(port, () => parentPort?.postMessage('ready'))
