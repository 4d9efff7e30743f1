/** What kind of mistake a configuration holds; the text says which key and what to do about it. */
export type ConfigErrorCode =
  | 'dir-missing'
  | 'dir-exists'
  | 'dir-broken'
  | 'file-missing'
  | 'file-unreadable'
  | 'file-too-large'
  | 'not-json'
  | 'duplicate-key'
  | 'unknown-key'
  | 'missing-key'
  | 'wrong-value'
  | 'key-pair'
  | 'unl'
  | 'binary-missing'
  | 'binary-not-executable'
  | 'port-taken'
  | 'port-denied'

export interface ConfigProblem {
  code: ConfigErrorCode
  /** The key of hp.cfg at fault, or null when it is the file or the directory. */
  key: string | null
  /** One line: what is wrong and the remedy. */
  message: string
}

/** Every mistake found at once; `message` has one line for each, `code` and `key` are the first one's. */
export class ConfigError extends Error {
  readonly code: ConfigErrorCode
  readonly key: string | null
  readonly problems: ConfigProblem[]

  constructor(problems: [ConfigProblem, ...ConfigProblem[]]) {
    super(problems.map((problem) => problem.message).join('\n'))
    this.name = 'ConfigError'
    this.code = problems[0].code
    this.key = problems[0].key
    this.problems = problems
  }
}

export function configError(code: ConfigErrorCode, key: string | null, message: string): ConfigError {
  return new ConfigError([{ code, key, message }])
}

/** The code of a failed system call, 'ENOENT' for example, or '' for any other error. */
export function systemCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}
