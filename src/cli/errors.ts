/** Exit codes of the program. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notReachable: 3 } as const

/** A failure to be told in one line, with its exit code. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly exitCode: number = EXIT.failed
  ) {
    super(message)
    this.name = 'CliError'
  }
}

export function usageError(message: string): CliError {
  return new CliError(message, EXIT.usage)
}
