import { HotPocketClientError } from './errors.js'
import { type KeyPair, type KeyTools, toHex } from './keys.js'
import { encodeHelo, readChallenge } from './messages.js'
import { OPEN, type OpenWebSocket, type WebSocketLike } from './web-socket.js'

export interface HandshakeOptions {
  keyPair: KeyPair
  keyTools: KeyTools
  openWebSocket: OpenWebSocket
  timeoutMs: number
  signal: AbortSignal
}

/** An open connection whose challenge is answered; its handlers are free to be set. */
export interface OpenConnection {
  socket: WebSocketLike
  url: string
  challenge: string
}

export function closedError(url: string, closeCode: number, closeReason: string): HotPocketClientError {
  // The codes for a helo that is wrong: the same helo is wrong the next time as well.
  const isFinal = closeCode === 4000 || closeCode === 4002
  const why = closeReason === '' ? `code ${closeCode}` : `${closeReason} (${closeCode})`
  const details = { url, closeCode, closeReason }
  return new HotPocketClientError(isFinal ? 'refused' : 'closed', `${url} closed the connection: ${why}`, details)
}

/** Connects to `url` and answers the challenge. Rejects with a HotPocketClientError and leaves nothing open. */
export async function openConnection(url: string, options: HandshakeOptions): Promise<OpenConnection> {
  const { keyPair, keyTools, openWebSocket, timeoutMs, signal } = options
  if (signal.aborted) throw new HotPocketClientError('aborted', 'connecting was aborted', { url })
  const socket = await openSocket(url, openWebSocket)
  socket.binaryType = 'arraybuffer'
  try {
    const challenge = await receiveChallenge(socket, url, timeoutMs, signal)
    const signature = await keyTools.sign(new TextEncoder().encode(challenge), keyPair)
    if (signal.aborted) throw new HotPocketClientError('aborted', 'connecting was aborted', { url })
    if (socket.readyState !== OPEN) throw closedError(url, 1006, 'before the challenge was answered')
    const timestampS = Math.floor(Date.now() / 1000)
    socket.send(encodeHelo(challenge, keyPair.publicKey, timestampS, toHex(signature)))
    return { socket, url, challenge }
  } catch (error) {
    discard(socket)
    if (error instanceof HotPocketClientError) throw error
    throw new HotPocketClientError('connect_failed', `cannot connect to ${url}`, { url, cause: error })
  }
}

async function openSocket(url: string, openWebSocket: OpenWebSocket): Promise<WebSocketLike> {
  try {
    return await openWebSocket(url)
  } catch (error) {
    if (error instanceof HotPocketClientError) throw error
    const cause = error instanceof Error ? error.message : String(error)
    throw new HotPocketClientError('connect_failed', `cannot connect to ${url}: ${cause}`, { url, cause: error })
  }
}

function receiveChallenge(socket: WebSocketLike, url: string, timeoutMs: number, signal: AbortSignal): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    let problem: unknown
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      socket.onmessage = null
      settle()
    }
    const timer = setTimeout(() => {
      const message = `${url} did not send its challenge within ${timeoutMs} ms`
      finish(() => reject(new HotPocketClientError('timeout', message, { url })))
    }, timeoutMs)
    const abort = (): void =>
      finish(() => reject(new HotPocketClientError('aborted', 'connecting was aborted', { url })))
    signal.addEventListener('abort', abort)
    socket.onerror = (event: { message?: unknown; error?: unknown }) => {
      problem = event.error ?? event.message
    }
    socket.onclose = (event: { code: number; reason: string }) =>
      finish(() => reject(describeEarlyClose(url, event.code, event.reason, problem)))
    socket.onmessage = (event: { data: unknown }) =>
      finish(() => {
        try {
          resolve(readChallenge(event.data, url))
        } catch (error) {
          reject(error)
        }
      })
  })
}

function describeEarlyClose(url: string, code: number, reason: string, problem: unknown): HotPocketClientError {
  if (code !== 1006 && code !== 1005) return closedError(url, code, reason)
  const cause = problem instanceof Error ? problem.message : typeof problem === 'string' ? problem : ''
  const why = cause === '' ? '' : `: ${cause}`
  return new HotPocketClientError('connect_failed', `cannot connect to ${url}${why}`, { url, cause: problem })
}

/** Closes a socket that nobody listens to any more. */
export function discard(socket: WebSocketLike): void {
  socket.onmessage = null
  socket.onclose = null
  // An error without a handler would be thrown by `ws`.
  socket.onerror = () => {}
  try {
    socket.close()
  } catch {
    // It was never open.
  }
}
