import { chmod, lstat, unlink } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { resolve } from 'node:path'
import type { Logger } from 'pino'
import { AdminError, systemCode } from './errors.js'
import { acquireNodeLock, type NodeLock } from './lock.js'
import { answerOperation } from './requests.js'
import { answerRequest } from './routes.js'
import { adminSocketPath, shortSocketPath } from './socket-path.js'
import type { AdminSource } from './types.js'

const MAX_HEADER_BYTES = 8 * 1024
const MAX_CONNECTIONS = 64
const MAX_URL_LENGTH = 1024
const MAX_BODY_BYTES = 16 * 1024
const REQUEST_TIMEOUT_MS = 10_000
const IDLE_TIMEOUT_MS = 30_000
const HTTP_STATUS: Partial<Record<AdminError['code'], number>> = { 'bad-request': 400, 'not-found': 404, refused: 409 }

export interface AdminServerOptions {
  /** The contract directory. */
  dir: string
  source: AdminSource
  log: Logger
  /** The directory's lock when the caller holds it already; else the server takes it and gives it back. */
  lock?: NodeLock
}

export interface AdminServer {
  /** The socket's real path. */
  path: string
  stop(): Promise<void>
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...(status >= 400 ? { connection: 'close' } : {})
  })
  response.end(text)
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  send(response, status, { error: { code, message } })
}

/** The JSON value that a request brings. */
async function readBody(request: IncomingMessage): Promise<unknown> {
  const type = request.headers['content-type'] ?? ''
  // What a form of a web page can send is never JSON.
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new AdminError('bad-request', 'the body must have the content type application/json')
  }
  const text = await readText(request)
  try {
    return JSON.parse(text)
  } catch {
    throw new AdminError('bad-request', 'the body is no JSON')
  }
}

/** Not by `for await`: leaving that early would cut the connection before the answer. */
function readText(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const take = (chunk: Buffer): void => {
      size += chunk.length
      chunks.push(chunk)
      if (size <= MAX_BODY_BYTES) return
      request.off('data', take)
      request.resume()
      reject(new AdminError('bad-request', `the body is longer than ${MAX_BODY_BYTES} bytes`))
    }
    request.on('data', take)
    request.once('end', () => resolve(Buffer.concat(chunks).toString()))
    request.once('error', reject)
    request.once('close', () => reject(new AdminError('bad-request', 'the body was cut')))
  })
}

async function answer(source: AdminSource, request: IncomingMessage, target: string): Promise<unknown> {
  if (request.method === 'GET') {
    request.resume()
    return answerRequest(source, target)
  }
  const body = await readBody(request)
  request.socket.setTimeout(0)
  return answerOperation(source, target, body)
}

async function handle(options: AdminServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // The socket's owner alone can connect; a page in a browser that is tricked into a request has an Origin.
  if (request.method !== 'GET' && request.method !== 'POST') {
    return sendError(response, 405, 'bad-request', 'only GET and POST are known here')
  }
  if (request.headers.origin !== undefined) return sendError(response, 403, 'bad-request', 'not for web pages')
  const target = request.url ?? ''
  if (target.length > MAX_URL_LENGTH) return sendError(response, 414, 'bad-request', 'the path is too long')
  // The node's own work has no time limit here, only a silent client has.
  if (request.method === 'GET') request.socket.setTimeout(0)
  response.once('finish', () => request.socket.setTimeout(IDLE_TIMEOUT_MS))
  try {
    send(response, 200, await answer(options.source, request, target))
  } catch (error) {
    if (error instanceof AdminError) {
      return sendError(response, HTTP_STATUS[error.code] ?? 500, error.code, error.message)
    }
    if (request.destroyed && !request.complete) return
    options.log.error({ err: error, target }, 'an admin request failed')
    sendError(response, 500, 'failed', 'the node could not answer; its log says why')
  }
}

function createHttpServer(options: AdminServerOptions): Server {
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: REQUEST_TIMEOUT_MS },
    (request, response) => {
      handle(options, request, response).catch((error) => {
        options.log.debug({ err: error }, 'an admin connection broke')
        response.destroy()
      })
    }
  )
  server.maxConnections = MAX_CONNECTIONS
  server.maxHeadersCount = 64
  server.setTimeout(IDLE_TIMEOUT_MS, (socket) => socket.destroy())
  return server
}

/** A socket left behind by a node that was killed; whoever holds the lock may remove it. */
async function removeOldSocket(path: string): Promise<void> {
  try {
    const found = await lstat(path)
    if (found.isDirectory()) throw new AdminError('failed', `${path} is a folder: remove it`)
    await unlink(path)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

async function listen(server: Server, path: string): Promise<void> {
  const short = await shortSocketPath(path)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(short.path, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } finally {
    await short.release()
  }
  // hist/ has mode 0700; the socket's own mode guards it where that was widened.
  await chmod(path, 0o600)
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/**
 * Serves the admin API as HTTP on <dir>/hist/admin.sock (0600). Throws `AdminError` 'already-running' when another node
 * holds the directory.
 */
export async function createAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const lock = options.lock ?? (await acquireNodeLock(options.dir))
  const path = adminSocketPath(resolve(options.dir))
  const server = createHttpServer(options)
  const releaseOwn = async () => {
    if (options.lock === undefined) await lock.release()
  }
  try {
    await removeOldSocket(path)
    await listen(server, path)
  } catch (error) {
    if (server.listening) await closeServer(server)
    await releaseOwn()
    throw error instanceof AdminError
      ? error
      : new AdminError('failed', `the admin socket ${path} cannot be opened (${(error as Error).message})`)
  }
  server.on('error', (error) => options.log.warn({ err: error }, 'the admin server had an error'))
  let stopped: Promise<void> | null = null
  const stop = async () => {
    await closeServer(server)
    await removeOldSocket(path)
    await releaseOwn()
  }
  return {
    path,
    stop: () => {
      stopped ??= stop()
      return stopped
    }
  }
}
