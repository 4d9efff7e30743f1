import { type Profiler, Session } from 'node:inspector'

/**
 * Which parts of the project's code were executed, from V8's block coverage. A look costs a third of a millisecond
 * whatever ran before it, so that looking once for many executions is cheap.
 */
export class Coverage {
  readonly #session = new Session()
  readonly #folder: string
  /** For each function, which of its bytes were executed. */
  readonly #seen = new Map<string, Uint8Array>()

  /** @param folder part of the URL of the modules that count, such as "/src/" */
  constructor(folder: string) {
    this.#folder = folder
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
    this.take()
  }

  /** What was executed since the last call. */
  take(): Profiler.FunctionCoverage[][] {
    let scripts: Profiler.ScriptCoverage[] = []
    // The session is of this very thread: the answer is there when the call returns.
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error
      scripts = answer.result
    })
    return scripts
      .filter(({ url }) => url.startsWith('file://') && url.includes(this.#folder))
      .map(({ functions, url }) => functions.map((each) => ({ ...each, functionName: url })))
  }

  /** True when something in it was never executed before; `keep` remembers it. */
  isNew(taken: Profiler.FunctionCoverage[][], keep: boolean): boolean {
    let hasNew = false
    for (const functions of taken) for (const each of functions) hasNew = this.#look(each, keep) || hasNew
    return hasNew
  }

  forget(): void {
    this.#seen.clear()
    this.take()
  }

  close(): void {
    this.#session.disconnect()
  }

  #look({ functionName, ranges }: Profiler.FunctionCoverage, keep: boolean): boolean {
    const [whole] = ranges
    if (whole === undefined || whole.count === 0) return false
    const { startOffset: start, endOffset: end } = whole
    const executed = new Uint8Array(end - start)
    // Ranges come outer ones first, so that inner ones paint over them.
    for (const range of ranges)
      executed.fill(range.count > 0 ? 1 : 0, range.startOffset - start, range.endOffset - start)
    const name = `${functionName} ${start} ${end}`
    const seen = this.#seen.get(name)
    if (seen === undefined) {
      if (keep) this.#seen.set(name, executed)
      return true
    }
    let hasNew = false
    for (let at = 0; at < executed.length; at++) {
      if (executed[at] === 0 || seen[at] === 1) continue
      if (!keep) return true
      hasNew = true
      seen[at] = 1
    }
    return hasNew
  }
}
