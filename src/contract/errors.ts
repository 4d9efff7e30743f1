export type ContractErrorCode =
  | 'invalid-options'
  | 'binary-missing'
  | 'binary-not-executable'
  | 'sandbox-missing'
  | 'start-failed'
  | 'busy'
  | 'stopped'

/** A contract that could not be run at all: the node's own trouble, not a result of the execution. */
export class ContractError extends Error {
  readonly code: ContractErrorCode

  constructor(code: ContractErrorCode, message: string) {
    super(message)
    this.name = 'ContractError'
    this.code = code
  }
}
