import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface Signed {
  payload: Uint8Array<ArrayBuffer>
  key: Uint8Array<ArrayBuffer>
  signature: Uint8Array<ArrayBuffer>
}

export namespace Signed {
  let _codec: Codec<Signed>

  export const codec = (): Codec<Signed> => {
    if (_codec == null) {
      _codec = message<Signed>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.payload != null && obj.payload.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.payload)
        }

        if ((obj.key != null && obj.key.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.key)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          payload: uint8ArrayAlloc(0),
          key: uint8ArrayAlloc(0),
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.payload = reader.bytes()
              break
            }
            case 2: {
              obj.key = reader.bytes()
              break
            }
            case 3: {
              obj.signature = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.payload`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.key`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.signature`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface SignedPayloadFieldEvent {
    field: '$.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface SignedKeyFieldEvent {
    field: '$.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface SignedSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Signed>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Signed.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Signed>): Signed {
    return decodeMessage(buf, Signed.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Signed>): Generator<SignedPayloadFieldEvent | SignedKeyFieldEvent | SignedSignatureFieldEvent> {
    return streamMessage(buf, Signed.codec(), opts)
  }
}

export interface ExecutionResult {
  status: number
  stateRoot: Uint8Array<ArrayBuffer>
  outputsRoot: Uint8Array<ArrayBuffer>
  configHash: Uint8Array<ArrayBuffer>
}

export namespace ExecutionResult {
  let _codec: Codec<ExecutionResult>

  export const codec = (): Codec<ExecutionResult> => {
    if (_codec == null) {
      _codec = message<ExecutionResult>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.status != null && obj.status !== 0)) {
          w.uint32(8)
          w.uint32(obj.status)
        }

        if ((obj.stateRoot != null && obj.stateRoot.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.stateRoot)
        }

        if ((obj.outputsRoot != null && obj.outputsRoot.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.outputsRoot)
        }

        if ((obj.configHash != null && obj.configHash.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.configHash)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          status: 0,
          stateRoot: uint8ArrayAlloc(0),
          outputsRoot: uint8ArrayAlloc(0),
          configHash: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.status = reader.uint32()
              break
            }
            case 2: {
              obj.stateRoot = reader.bytes()
              break
            }
            case 3: {
              obj.outputsRoot = reader.bytes()
              break
            }
            case 4: {
              obj.configHash = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.status`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.stateRoot`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.outputsRoot`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.configHash`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface ExecutionResultStatusFieldEvent {
    field: '$.status'
    value: number
  }

  export interface ExecutionResultStateRootFieldEvent {
    field: '$.stateRoot'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ExecutionResultOutputsRootFieldEvent {
    field: '$.outputsRoot'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ExecutionResultConfigHashFieldEvent {
    field: '$.configHash'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<ExecutionResult>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ExecutionResult.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ExecutionResult>): ExecutionResult {
    return decodeMessage(buf, ExecutionResult.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ExecutionResult>): Generator<ExecutionResultStatusFieldEvent | ExecutionResultStateRootFieldEvent | ExecutionResultOutputsRootFieldEvent | ExecutionResultConfigHashFieldEvent> {
    return streamMessage(buf, ExecutionResult.codec(), opts)
  }
}

export interface Proposal {
  networkId: Uint8Array<ArrayBuffer>
  seq: number
  lcl: Uint8Array<ArrayBuffer>
  timeMs: number
  usersHash: Uint8Array<ArrayBuffer>
  inputsHash: Uint8Array<ArrayBuffer>
  result?: ExecutionResult
  wishes: ConfigWish[]
  forwards: Uint8Array<ArrayBuffer>[]
}

export namespace Proposal {
  let _codec: Codec<Proposal>

  export const codec = (): Codec<Proposal> => {
    if (_codec == null) {
      _codec = message<Proposal>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.networkId != null && obj.networkId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.networkId)
        }

        if ((obj.seq != null && obj.seq !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.seq)
        }

        if ((obj.lcl != null && obj.lcl.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.lcl)
        }

        if ((obj.timeMs != null && obj.timeMs !== 0)) {
          w.uint32(32)
          w.uint64Number(obj.timeMs)
        }

        if ((obj.usersHash != null && obj.usersHash.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.usersHash)
        }

        if ((obj.inputsHash != null && obj.inputsHash.byteLength > 0)) {
          w.uint32(50)
          w.bytes(obj.inputsHash)
        }

        if (obj.result != null) {
          w.uint32(58)
          ExecutionResult.codec().encode(obj.result, w)
        }

        if (obj.wishes != null && obj.wishes.length > 0) {
          for (const value of obj.wishes) {
            w.uint32(66)
            ConfigWish.codec().encode(value, w)
          }
        }

        if (obj.forwards != null && obj.forwards.length > 0) {
          for (const value of obj.forwards) {
            w.uint32(74)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          networkId: uint8ArrayAlloc(0),
          seq: 0,
          lcl: uint8ArrayAlloc(0),
          timeMs: 0,
          usersHash: uint8ArrayAlloc(0),
          inputsHash: uint8ArrayAlloc(0),
          wishes: [],
          forwards: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.networkId = reader.bytes()
              break
            }
            case 2: {
              obj.seq = reader.uint64Number()
              break
            }
            case 3: {
              obj.lcl = reader.bytes()
              break
            }
            case 4: {
              obj.timeMs = reader.uint64Number()
              break
            }
            case 5: {
              obj.usersHash = reader.bytes()
              break
            }
            case 6: {
              obj.inputsHash = reader.bytes()
              break
            }
            case 7: {
              obj.result = ExecutionResult.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.result
              })
              break
            }
            case 8: {
              if (opts.limits?.wishes != null && obj.wishes.length === opts.limits.wishes) {
                throw new MaxLengthError('Decode error - repeated field "wishes" had too many elements')
              }

              obj.wishes.push(ConfigWish.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.wishes$
              }))
              break
            }
            case 9: {
              if (opts.limits?.forwards != null && obj.forwards.length === opts.limits.forwards) {
                throw new MaxLengthError('Decode error - repeated field "forwards" had too many elements')
              }

              obj.forwards.push(reader.bytes())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          wishes: 0,
          forwards: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.networkId`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.seq`,
                value: reader.uint64Number()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.lcl`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.timeMs`,
                value: reader.uint64Number()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.usersHash`,
                value: reader.bytes()
              }
              break
            }
            case 6: {
              yield {
                field: `${prefix}.inputsHash`,
                value: reader.bytes()
              }
              break
            }
            case 7: {
              yield * ExecutionResult.codec().stream(reader, reader.uint32(), `${prefix}.result`, {
                limits: opts.limits?.result
              })

              break
            }
            case 8: {
              if (opts.limits?.wishes != null && obj.wishes === opts.limits.wishes) {
                throw new MaxLengthError('Streaming decode error - repeated field "wishes" had too many elements')
              }

              for (const evt of ConfigWish.codec().stream(reader, reader.uint32(), `${prefix}.wishes[]`, {
                limits: opts.limits?.wishes$
              })) {
                yield {
                  ...evt,
                  index: obj.wishes
                }
              }

              obj.wishes++

              break
            }
            case 9: {
              if (opts.limits?.forwards != null && obj.forwards === opts.limits.forwards) {
                throw new MaxLengthError('Streaming decode error - repeated field "forwards" had too many elements')
              }

              yield {
                field: `${prefix}.forwards[]`,
                index: obj.forwards,
                value: reader.bytes()
              }

              obj.forwards++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface ProposalNetworkIdFieldEvent {
    field: '$.networkId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ProposalSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export interface ProposalLclFieldEvent {
    field: '$.lcl'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ProposalTimeMsFieldEvent {
    field: '$.timeMs'
    value: number
  }

  export interface ProposalUsersHashFieldEvent {
    field: '$.usersHash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ProposalInputsHashFieldEvent {
    field: '$.inputsHash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ProposalResultStatusFieldEvent {
    field: '$.result.status'
    value: number
  }

  export interface ProposalResultStateRootFieldEvent {
    field: '$.result.stateRoot'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ProposalResultOutputsRootFieldEvent {
    field: '$.result.outputsRoot'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ProposalResultConfigHashFieldEvent {
    field: '$.result.configHash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ProposalWishesKindFieldEvent {
    field: '$.wishes[].kind'
    value: number
    index: number
  }

  export interface ProposalWishesKeyFieldEvent {
    field: '$.wishes[].key'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface ProposalWishesFieldFieldEvent {
    field: '$.wishes[].field'
    value: number
    index: number
  }

  export interface ProposalWishesValueFieldEvent {
    field: '$.wishes[].value'
    value: number
    index: number
  }

  export interface ProposalForwardsFieldEvent {
    field: '$.forwards[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Proposal>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Proposal.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Proposal>): Proposal {
    return decodeMessage(buf, Proposal.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Proposal>): Generator<ProposalNetworkIdFieldEvent | ProposalSeqFieldEvent | ProposalLclFieldEvent | ProposalTimeMsFieldEvent | ProposalUsersHashFieldEvent | ProposalInputsHashFieldEvent | ProposalResultStatusFieldEvent | ProposalResultStateRootFieldEvent | ProposalResultOutputsRootFieldEvent | ProposalResultConfigHashFieldEvent | ProposalWishesKindFieldEvent | ProposalWishesKeyFieldEvent | ProposalWishesFieldFieldEvent | ProposalWishesValueFieldEvent | ProposalForwardsFieldEvent> {
    return streamMessage(buf, Proposal.codec(), opts)
  }
}

export interface ConfigWish {
  kind: number
  key: Uint8Array<ArrayBuffer>
  field: number
  value: number
}

export namespace ConfigWish {
  let _codec: Codec<ConfigWish>

  export const codec = (): Codec<ConfigWish> => {
    if (_codec == null) {
      _codec = message<ConfigWish>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.kind != null && obj.kind !== 0)) {
          w.uint32(8)
          w.uint32(obj.kind)
        }

        if ((obj.key != null && obj.key.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.key)
        }

        if ((obj.field != null && obj.field !== 0)) {
          w.uint32(24)
          w.uint32(obj.field)
        }

        if ((obj.value != null && obj.value !== 0)) {
          w.uint32(32)
          w.uint64Number(obj.value)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          kind: 0,
          key: uint8ArrayAlloc(0),
          field: 0,
          value: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.kind = reader.uint32()
              break
            }
            case 2: {
              obj.key = reader.bytes()
              break
            }
            case 3: {
              obj.field = reader.uint32()
              break
            }
            case 4: {
              obj.value = reader.uint64Number()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.kind`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.key`,
                value: reader.bytes()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.field`,
                value: reader.uint32()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.value`,
                value: reader.uint64Number()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface ConfigWishKindFieldEvent {
    field: '$.kind'
    value: number
  }

  export interface ConfigWishKeyFieldEvent {
    field: '$.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConfigWishFieldFieldEvent {
    field: '$.field'
    value: number
  }

  export interface ConfigWishValueFieldEvent {
    field: '$.value'
    value: number
  }

  export function encode (obj: Partial<ConfigWish>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ConfigWish.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ConfigWish>): ConfigWish {
    return decodeMessage(buf, ConfigWish.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ConfigWish>): Generator<ConfigWishKindFieldEvent | ConfigWishKeyFieldEvent | ConfigWishFieldFieldEvent | ConfigWishValueFieldEvent> {
    return streamMessage(buf, ConfigWish.codec(), opts)
  }
}

export interface UserEntry {
  key: Uint8Array<ArrayBuffer>
  expiryMs: number
  nonce: Uint8Array<ArrayBuffer>
  signature: Uint8Array<ArrayBuffer>
}

export namespace UserEntry {
  let _codec: Codec<UserEntry>

  export const codec = (): Codec<UserEntry> => {
    if (_codec == null) {
      _codec = message<UserEntry>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.key != null && obj.key.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.key)
        }

        if ((obj.expiryMs != null && obj.expiryMs !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.expiryMs)
        }

        if ((obj.nonce != null && obj.nonce.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.nonce)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          key: uint8ArrayAlloc(0),
          expiryMs: 0,
          nonce: uint8ArrayAlloc(0),
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.key = reader.bytes()
              break
            }
            case 2: {
              obj.expiryMs = reader.uint64Number()
              break
            }
            case 3: {
              obj.nonce = reader.bytes()
              break
            }
            case 4: {
              obj.signature = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.key`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.expiryMs`,
                value: reader.uint64Number()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.nonce`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.signature`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface UserEntryKeyFieldEvent {
    field: '$.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface UserEntryExpiryMsFieldEvent {
    field: '$.expiryMs'
    value: number
  }

  export interface UserEntryNonceFieldEvent {
    field: '$.nonce'
    value: Uint8Array<ArrayBuffer>
  }

  export interface UserEntrySignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<UserEntry>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, UserEntry.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<UserEntry>): UserEntry {
    return decodeMessage(buf, UserEntry.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<UserEntry>): Generator<UserEntryKeyFieldEvent | UserEntryExpiryMsFieldEvent | UserEntryNonceFieldEvent | UserEntrySignatureFieldEvent> {
    return streamMessage(buf, UserEntry.codec(), opts)
  }
}

export interface UserList {
  users: UserEntry[]
}

export namespace UserList {
  let _codec: Codec<UserList>

  export const codec = (): Codec<UserList> => {
    if (_codec == null) {
      _codec = message<UserList>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.users != null && obj.users.length > 0) {
          for (const value of obj.users) {
            w.uint32(10)
            UserEntry.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          users: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.users != null && obj.users.length === opts.limits.users) {
                throw new MaxLengthError('Decode error - repeated field "users" had too many elements')
              }

              obj.users.push(UserEntry.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.users$
              }))
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          users: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.users != null && obj.users === opts.limits.users) {
                throw new MaxLengthError('Streaming decode error - repeated field "users" had too many elements')
              }

              for (const evt of UserEntry.codec().stream(reader, reader.uint32(), `${prefix}.users[]`, {
                limits: opts.limits?.users$
              })) {
                yield {
                  ...evt,
                  index: obj.users
                }
              }

              obj.users++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface UserListUsersKeyFieldEvent {
    field: '$.users[].key'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface UserListUsersExpiryMsFieldEvent {
    field: '$.users[].expiryMs'
    value: number
    index: number
  }

  export interface UserListUsersNonceFieldEvent {
    field: '$.users[].nonce'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface UserListUsersSignatureFieldEvent {
    field: '$.users[].signature'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export function encode (obj: Partial<UserList>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, UserList.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<UserList>): UserList {
    return decodeMessage(buf, UserList.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<UserList>): Generator<UserListUsersKeyFieldEvent | UserListUsersExpiryMsFieldEvent | UserListUsersNonceFieldEvent | UserListUsersSignatureFieldEvent> {
    return streamMessage(buf, UserList.codec(), opts)
  }
}

export interface UserInput {
  user: number
  ordinal: number
  content: Uint8Array<ArrayBuffer>
}

export namespace UserInput {
  let _codec: Codec<UserInput>

  export const codec = (): Codec<UserInput> => {
    if (_codec == null) {
      _codec = message<UserInput>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.user != null && obj.user !== 0)) {
          w.uint32(8)
          w.uint32(obj.user)
        }

        if ((obj.ordinal != null && obj.ordinal !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.ordinal)
        }

        if ((obj.content != null && obj.content.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.content)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          user: 0,
          ordinal: 0,
          content: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.user = reader.uint32()
              break
            }
            case 2: {
              obj.ordinal = reader.uint64Number()
              break
            }
            case 3: {
              obj.content = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.user`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.ordinal`,
                value: reader.uint64Number()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.content`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface UserInputUserFieldEvent {
    field: '$.user'
    value: number
  }

  export interface UserInputOrdinalFieldEvent {
    field: '$.ordinal'
    value: number
  }

  export interface UserInputContentFieldEvent {
    field: '$.content'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<UserInput>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, UserInput.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<UserInput>): UserInput {
    return decodeMessage(buf, UserInput.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<UserInput>): Generator<UserInputUserFieldEvent | UserInputOrdinalFieldEvent | UserInputContentFieldEvent> {
    return streamMessage(buf, UserInput.codec(), opts)
  }
}

export interface InputList {
  inputs: UserInput[]
}

export namespace InputList {
  let _codec: Codec<InputList>

  export const codec = (): Codec<InputList> => {
    if (_codec == null) {
      _codec = message<InputList>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.inputs != null && obj.inputs.length > 0) {
          for (const value of obj.inputs) {
            w.uint32(10)
            UserInput.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          inputs: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.inputs != null && obj.inputs.length === opts.limits.inputs) {
                throw new MaxLengthError('Decode error - repeated field "inputs" had too many elements')
              }

              obj.inputs.push(UserInput.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.inputs$
              }))
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          inputs: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              if (opts.limits?.inputs != null && obj.inputs === opts.limits.inputs) {
                throw new MaxLengthError('Streaming decode error - repeated field "inputs" had too many elements')
              }

              for (const evt of UserInput.codec().stream(reader, reader.uint32(), `${prefix}.inputs[]`, {
                limits: opts.limits?.inputs$
              })) {
                yield {
                  ...evt,
                  index: obj.inputs
                }
              }

              obj.inputs++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface InputListInputsUserFieldEvent {
    field: '$.inputs[].user'
    value: number
    index: number
  }

  export interface InputListInputsOrdinalFieldEvent {
    field: '$.inputs[].ordinal'
    value: number
    index: number
  }

  export interface InputListInputsContentFieldEvent {
    field: '$.inputs[].content'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export function encode (obj: Partial<InputList>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, InputList.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<InputList>): InputList {
    return decodeMessage(buf, InputList.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<InputList>): Generator<InputListInputsUserFieldEvent | InputListInputsOrdinalFieldEvent | InputListInputsContentFieldEvent> {
    return streamMessage(buf, InputList.codec(), opts)
  }
}

export interface ForwardBatch {
  networkId: Uint8Array<ArrayBuffer>
  untilSeq: number
  users: UserEntry[]
  inputs: UserInput[]
}

export namespace ForwardBatch {
  let _codec: Codec<ForwardBatch>

  export const codec = (): Codec<ForwardBatch> => {
    if (_codec == null) {
      _codec = message<ForwardBatch>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.networkId != null && obj.networkId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.networkId)
        }

        if ((obj.untilSeq != null && obj.untilSeq !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.untilSeq)
        }

        if (obj.users != null && obj.users.length > 0) {
          for (const value of obj.users) {
            w.uint32(26)
            UserEntry.codec().encode(value, w)
          }
        }

        if (obj.inputs != null && obj.inputs.length > 0) {
          for (const value of obj.inputs) {
            w.uint32(34)
            UserInput.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          networkId: uint8ArrayAlloc(0),
          untilSeq: 0,
          users: [],
          inputs: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.networkId = reader.bytes()
              break
            }
            case 2: {
              obj.untilSeq = reader.uint64Number()
              break
            }
            case 3: {
              if (opts.limits?.users != null && obj.users.length === opts.limits.users) {
                throw new MaxLengthError('Decode error - repeated field "users" had too many elements')
              }

              obj.users.push(UserEntry.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.users$
              }))
              break
            }
            case 4: {
              if (opts.limits?.inputs != null && obj.inputs.length === opts.limits.inputs) {
                throw new MaxLengthError('Decode error - repeated field "inputs" had too many elements')
              }

              obj.inputs.push(UserInput.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.inputs$
              }))
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          users: 0,
          inputs: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.networkId`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.untilSeq`,
                value: reader.uint64Number()
              }
              break
            }
            case 3: {
              if (opts.limits?.users != null && obj.users === opts.limits.users) {
                throw new MaxLengthError('Streaming decode error - repeated field "users" had too many elements')
              }

              for (const evt of UserEntry.codec().stream(reader, reader.uint32(), `${prefix}.users[]`, {
                limits: opts.limits?.users$
              })) {
                yield {
                  ...evt,
                  index: obj.users
                }
              }

              obj.users++

              break
            }
            case 4: {
              if (opts.limits?.inputs != null && obj.inputs === opts.limits.inputs) {
                throw new MaxLengthError('Streaming decode error - repeated field "inputs" had too many elements')
              }

              for (const evt of UserInput.codec().stream(reader, reader.uint32(), `${prefix}.inputs[]`, {
                limits: opts.limits?.inputs$
              })) {
                yield {
                  ...evt,
                  index: obj.inputs
                }
              }

              obj.inputs++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface ForwardBatchNetworkIdFieldEvent {
    field: '$.networkId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ForwardBatchUntilSeqFieldEvent {
    field: '$.untilSeq'
    value: number
  }

  export interface ForwardBatchUsersKeyFieldEvent {
    field: '$.users[].key'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface ForwardBatchUsersExpiryMsFieldEvent {
    field: '$.users[].expiryMs'
    value: number
    index: number
  }

  export interface ForwardBatchUsersNonceFieldEvent {
    field: '$.users[].nonce'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface ForwardBatchUsersSignatureFieldEvent {
    field: '$.users[].signature'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface ForwardBatchInputsUserFieldEvent {
    field: '$.inputs[].user'
    value: number
    index: number
  }

  export interface ForwardBatchInputsOrdinalFieldEvent {
    field: '$.inputs[].ordinal'
    value: number
    index: number
  }

  export interface ForwardBatchInputsContentFieldEvent {
    field: '$.inputs[].content'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export function encode (obj: Partial<ForwardBatch>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ForwardBatch.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ForwardBatch>): ForwardBatch {
    return decodeMessage(buf, ForwardBatch.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ForwardBatch>): Generator<ForwardBatchNetworkIdFieldEvent | ForwardBatchUntilSeqFieldEvent | ForwardBatchUsersKeyFieldEvent | ForwardBatchUsersExpiryMsFieldEvent | ForwardBatchUsersNonceFieldEvent | ForwardBatchUsersSignatureFieldEvent | ForwardBatchInputsUserFieldEvent | ForwardBatchInputsOrdinalFieldEvent | ForwardBatchInputsContentFieldEvent> {
    return streamMessage(buf, ForwardBatch.codec(), opts)
  }
}

export interface ProposalMessage {
  signed?: Signed
  parts: Uint8Array<ArrayBuffer>[]
}

export namespace ProposalMessage {
  let _codec: Codec<ProposalMessage>

  export const codec = (): Codec<ProposalMessage> => {
    if (_codec == null) {
      _codec = message<ProposalMessage>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.signed != null) {
          w.uint32(10)
          Signed.codec().encode(obj.signed, w)
        }

        if (obj.parts != null && obj.parts.length > 0) {
          for (const value of obj.parts) {
            w.uint32(18)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          parts: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.signed = Signed.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.signed
              })
              break
            }
            case 2: {
              if (opts.limits?.parts != null && obj.parts.length === opts.limits.parts) {
                throw new MaxLengthError('Decode error - repeated field "parts" had too many elements')
              }

              obj.parts.push(reader.bytes())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          parts: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * Signed.codec().stream(reader, reader.uint32(), `${prefix}.signed`, {
                limits: opts.limits?.signed
              })

              break
            }
            case 2: {
              if (opts.limits?.parts != null && obj.parts === opts.limits.parts) {
                throw new MaxLengthError('Streaming decode error - repeated field "parts" had too many elements')
              }

              yield {
                field: `${prefix}.parts[]`,
                index: obj.parts,
                value: reader.bytes()
              }

              obj.parts++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface ProposalMessageSignedPayloadFieldEvent {
    field: '$.signed.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ProposalMessageSignedKeyFieldEvent {
    field: '$.signed.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ProposalMessageSignedSignatureFieldEvent {
    field: '$.signed.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ProposalMessagePartsFieldEvent {
    field: '$.parts[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<ProposalMessage>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ProposalMessage.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ProposalMessage>): ProposalMessage {
    return decodeMessage(buf, ProposalMessage.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ProposalMessage>): Generator<ProposalMessageSignedPayloadFieldEvent | ProposalMessageSignedKeyFieldEvent | ProposalMessageSignedSignatureFieldEvent | ProposalMessagePartsFieldEvent> {
    return streamMessage(buf, ProposalMessage.codec(), opts)
  }
}

export interface Vote {
  networkId: Uint8Array<ArrayBuffer>
  seq: number
  attempt: number
  kind: number
  hash: Uint8Array<ArrayBuffer>
}

export namespace Vote {
  let _codec: Codec<Vote>

  export const codec = (): Codec<Vote> => {
    if (_codec == null) {
      _codec = message<Vote>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.networkId != null && obj.networkId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.networkId)
        }

        if ((obj.seq != null && obj.seq !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.seq)
        }

        if ((obj.attempt != null && obj.attempt !== 0)) {
          w.uint32(24)
          w.uint32(obj.attempt)
        }

        if ((obj.kind != null && obj.kind !== 0)) {
          w.uint32(32)
          w.uint32(obj.kind)
        }

        if ((obj.hash != null && obj.hash.byteLength > 0)) {
          w.uint32(42)
          w.bytes(obj.hash)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          networkId: uint8ArrayAlloc(0),
          seq: 0,
          attempt: 0,
          kind: 0,
          hash: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.networkId = reader.bytes()
              break
            }
            case 2: {
              obj.seq = reader.uint64Number()
              break
            }
            case 3: {
              obj.attempt = reader.uint32()
              break
            }
            case 4: {
              obj.kind = reader.uint32()
              break
            }
            case 5: {
              obj.hash = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.networkId`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.seq`,
                value: reader.uint64Number()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.attempt`,
                value: reader.uint32()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.kind`,
                value: reader.uint32()
              }
              break
            }
            case 5: {
              yield {
                field: `${prefix}.hash`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface VoteNetworkIdFieldEvent {
    field: '$.networkId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface VoteSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export interface VoteAttemptFieldEvent {
    field: '$.attempt'
    value: number
  }

  export interface VoteKindFieldEvent {
    field: '$.kind'
    value: number
  }

  export interface VoteHashFieldEvent {
    field: '$.hash'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Vote>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Vote.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Vote>): Vote {
    return decodeMessage(buf, Vote.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Vote>): Generator<VoteNetworkIdFieldEvent | VoteSeqFieldEvent | VoteAttemptFieldEvent | VoteKindFieldEvent | VoteHashFieldEvent> {
    return streamMessage(buf, Vote.codec(), opts)
  }
}

export interface VoteMessage {
  signed?: Signed
  proposals: Uint8Array<ArrayBuffer>[]
}

export namespace VoteMessage {
  let _codec: Codec<VoteMessage>

  export const codec = (): Codec<VoteMessage> => {
    if (_codec == null) {
      _codec = message<VoteMessage>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.signed != null) {
          w.uint32(10)
          Signed.codec().encode(obj.signed, w)
        }

        if (obj.proposals != null && obj.proposals.length > 0) {
          for (const value of obj.proposals) {
            w.uint32(18)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          proposals: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.signed = Signed.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.signed
              })
              break
            }
            case 2: {
              if (opts.limits?.proposals != null && obj.proposals.length === opts.limits.proposals) {
                throw new MaxLengthError('Decode error - repeated field "proposals" had too many elements')
              }

              obj.proposals.push(reader.bytes())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          proposals: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * Signed.codec().stream(reader, reader.uint32(), `${prefix}.signed`, {
                limits: opts.limits?.signed
              })

              break
            }
            case 2: {
              if (opts.limits?.proposals != null && obj.proposals === opts.limits.proposals) {
                throw new MaxLengthError('Streaming decode error - repeated field "proposals" had too many elements')
              }

              yield {
                field: `${prefix}.proposals[]`,
                index: obj.proposals,
                value: reader.bytes()
              }

              obj.proposals++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface VoteMessageSignedPayloadFieldEvent {
    field: '$.signed.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface VoteMessageSignedKeyFieldEvent {
    field: '$.signed.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface VoteMessageSignedSignatureFieldEvent {
    field: '$.signed.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface VoteMessageProposalsFieldEvent {
    field: '$.proposals[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<VoteMessage>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, VoteMessage.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<VoteMessage>): VoteMessage {
    return decodeMessage(buf, VoteMessage.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<VoteMessage>): Generator<VoteMessageSignedPayloadFieldEvent | VoteMessageSignedKeyFieldEvent | VoteMessageSignedSignatureFieldEvent | VoteMessageProposalsFieldEvent> {
    return streamMessage(buf, VoteMessage.codec(), opts)
  }
}

export interface VoteSignature {
  validator: number
  signature: Uint8Array<ArrayBuffer>
}

export namespace VoteSignature {
  let _codec: Codec<VoteSignature>

  export const codec = (): Codec<VoteSignature> => {
    if (_codec == null) {
      _codec = message<VoteSignature>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.validator != null && obj.validator !== 0)) {
          w.uint32(8)
          w.uint32(obj.validator)
        }

        if ((obj.signature != null && obj.signature.byteLength > 0)) {
          w.uint32(18)
          w.bytes(obj.signature)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          validator: 0,
          signature: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.validator = reader.uint32()
              break
            }
            case 2: {
              obj.signature = reader.bytes()
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.validator`,
                value: reader.uint32()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.signature`,
                value: reader.bytes()
              }
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface VoteSignatureValidatorFieldEvent {
    field: '$.validator'
    value: number
  }

  export interface VoteSignatureSignatureFieldEvent {
    field: '$.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<VoteSignature>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, VoteSignature.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<VoteSignature>): VoteSignature {
    return decodeMessage(buf, VoteSignature.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<VoteSignature>): Generator<VoteSignatureValidatorFieldEvent | VoteSignatureSignatureFieldEvent> {
    return streamMessage(buf, VoteSignature.codec(), opts)
  }
}

export interface VoteSet {
  seq: number
  attempt: number
  hash: Uint8Array<ArrayBuffer>
  signatures: VoteSignature[]
}

export namespace VoteSet {
  let _codec: Codec<VoteSet>

  export const codec = (): Codec<VoteSet> => {
    if (_codec == null) {
      _codec = message<VoteSet>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.seq != null && obj.seq !== 0)) {
          w.uint32(8)
          w.uint64Number(obj.seq)
        }

        if ((obj.attempt != null && obj.attempt !== 0)) {
          w.uint32(16)
          w.uint32(obj.attempt)
        }

        if ((obj.hash != null && obj.hash.byteLength > 0)) {
          w.uint32(26)
          w.bytes(obj.hash)
        }

        if (obj.signatures != null && obj.signatures.length > 0) {
          for (const value of obj.signatures) {
            w.uint32(34)
            VoteSignature.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          seq: 0,
          attempt: 0,
          hash: uint8ArrayAlloc(0),
          signatures: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.seq = reader.uint64Number()
              break
            }
            case 2: {
              obj.attempt = reader.uint32()
              break
            }
            case 3: {
              obj.hash = reader.bytes()
              break
            }
            case 4: {
              if (opts.limits?.signatures != null && obj.signatures.length === opts.limits.signatures) {
                throw new MaxLengthError('Decode error - repeated field "signatures" had too many elements')
              }

              obj.signatures.push(VoteSignature.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.signatures$
              }))
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          signatures: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.seq`,
                value: reader.uint64Number()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.attempt`,
                value: reader.uint32()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.hash`,
                value: reader.bytes()
              }
              break
            }
            case 4: {
              if (opts.limits?.signatures != null && obj.signatures === opts.limits.signatures) {
                throw new MaxLengthError('Streaming decode error - repeated field "signatures" had too many elements')
              }

              for (const evt of VoteSignature.codec().stream(reader, reader.uint32(), `${prefix}.signatures[]`, {
                limits: opts.limits?.signatures$
              })) {
                yield {
                  ...evt,
                  index: obj.signatures
                }
              }

              obj.signatures++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface VoteSetSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export interface VoteSetAttemptFieldEvent {
    field: '$.attempt'
    value: number
  }

  export interface VoteSetHashFieldEvent {
    field: '$.hash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface VoteSetSignaturesValidatorFieldEvent {
    field: '$.signatures[].validator'
    value: number
    index: number
  }

  export interface VoteSetSignaturesSignatureFieldEvent {
    field: '$.signatures[].signature'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export function encode (obj: Partial<VoteSet>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, VoteSet.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<VoteSet>): VoteSet {
    return decodeMessage(buf, VoteSet.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<VoteSet>): Generator<VoteSetSeqFieldEvent | VoteSetAttemptFieldEvent | VoteSetHashFieldEvent | VoteSetSignaturesValidatorFieldEvent | VoteSetSignaturesSignatureFieldEvent> {
    return streamMessage(buf, VoteSet.codec(), opts)
  }
}

export interface Candidate {
  networkId: Uint8Array<ArrayBuffer>
  seq: number
  attempt: number
  hash: Uint8Array<ArrayBuffer>
  proposals: Uint8Array<ArrayBuffer>[]
}

export namespace Candidate {
  let _codec: Codec<Candidate>

  export const codec = (): Codec<Candidate> => {
    if (_codec == null) {
      _codec = message<Candidate>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.networkId != null && obj.networkId.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.networkId)
        }

        if ((obj.seq != null && obj.seq !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.seq)
        }

        if ((obj.attempt != null && obj.attempt !== 0)) {
          w.uint32(24)
          w.uint32(obj.attempt)
        }

        if ((obj.hash != null && obj.hash.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.hash)
        }

        if (obj.proposals != null && obj.proposals.length > 0) {
          for (const value of obj.proposals) {
            w.uint32(42)
            w.bytes(value)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          networkId: uint8ArrayAlloc(0),
          seq: 0,
          attempt: 0,
          hash: uint8ArrayAlloc(0),
          proposals: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.networkId = reader.bytes()
              break
            }
            case 2: {
              obj.seq = reader.uint64Number()
              break
            }
            case 3: {
              obj.attempt = reader.uint32()
              break
            }
            case 4: {
              obj.hash = reader.bytes()
              break
            }
            case 5: {
              if (opts.limits?.proposals != null && obj.proposals.length === opts.limits.proposals) {
                throw new MaxLengthError('Decode error - repeated field "proposals" had too many elements')
              }

              obj.proposals.push(reader.bytes())
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const obj = {
          proposals: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.networkId`,
                value: reader.bytes()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.seq`,
                value: reader.uint64Number()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.attempt`,
                value: reader.uint32()
              }
              break
            }
            case 4: {
              yield {
                field: `${prefix}.hash`,
                value: reader.bytes()
              }
              break
            }
            case 5: {
              if (opts.limits?.proposals != null && obj.proposals === opts.limits.proposals) {
                throw new MaxLengthError('Streaming decode error - repeated field "proposals" had too many elements')
              }

              yield {
                field: `${prefix}.proposals[]`,
                index: obj.proposals,
                value: reader.bytes()
              }

              obj.proposals++

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface CandidateNetworkIdFieldEvent {
    field: '$.networkId'
    value: Uint8Array<ArrayBuffer>
  }

  export interface CandidateSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export interface CandidateAttemptFieldEvent {
    field: '$.attempt'
    value: number
  }

  export interface CandidateHashFieldEvent {
    field: '$.hash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface CandidateProposalsFieldEvent {
    field: '$.proposals[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Candidate>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Candidate.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Candidate>): Candidate {
    return decodeMessage(buf, Candidate.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Candidate>): Generator<CandidateNetworkIdFieldEvent | CandidateSeqFieldEvent | CandidateAttemptFieldEvent | CandidateHashFieldEvent | CandidateProposalsFieldEvent> {
    return streamMessage(buf, Candidate.codec(), opts)
  }
}

export interface CandidateMessage {
  signed?: Signed
  prevotes?: VoteSet
}

export namespace CandidateMessage {
  let _codec: Codec<CandidateMessage>

  export const codec = (): Codec<CandidateMessage> => {
    if (_codec == null) {
      _codec = message<CandidateMessage>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.signed != null) {
          w.uint32(10)
          Signed.codec().encode(obj.signed, w)
        }

        if (obj.prevotes != null) {
          w.uint32(18)
          VoteSet.codec().encode(obj.prevotes, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.signed = Signed.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.signed
              })
              break
            }
            case 2: {
              obj.prevotes = VoteSet.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.prevotes
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * Signed.codec().stream(reader, reader.uint32(), `${prefix}.signed`, {
                limits: opts.limits?.signed
              })

              break
            }
            case 2: {
              yield * VoteSet.codec().stream(reader, reader.uint32(), `${prefix}.prevotes`, {
                limits: opts.limits?.prevotes
              })

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface CandidateMessageSignedPayloadFieldEvent {
    field: '$.signed.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface CandidateMessageSignedKeyFieldEvent {
    field: '$.signed.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface CandidateMessageSignedSignatureFieldEvent {
    field: '$.signed.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface CandidateMessagePrevotesSeqFieldEvent {
    field: '$.prevotes.seq'
    value: number
  }

  export interface CandidateMessagePrevotesAttemptFieldEvent {
    field: '$.prevotes.attempt'
    value: number
  }

  export interface CandidateMessagePrevotesHashFieldEvent {
    field: '$.prevotes.hash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface CandidateMessagePrevotesSignaturesValidatorFieldEvent {
    field: '$.prevotes.signatures[].validator'
    value: number
    index: number
  }

  export interface CandidateMessagePrevotesSignaturesSignatureFieldEvent {
    field: '$.prevotes.signatures[].signature'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export function encode (obj: Partial<CandidateMessage>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, CandidateMessage.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CandidateMessage>): CandidateMessage {
    return decodeMessage(buf, CandidateMessage.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<CandidateMessage>): Generator<CandidateMessageSignedPayloadFieldEvent | CandidateMessageSignedKeyFieldEvent | CandidateMessageSignedSignatureFieldEvent | CandidateMessagePrevotesSeqFieldEvent | CandidateMessagePrevotesAttemptFieldEvent | CandidateMessagePrevotesHashFieldEvent | CandidateMessagePrevotesSignaturesValidatorFieldEvent | CandidateMessagePrevotesSignaturesSignatureFieldEvent> {
    return streamMessage(buf, CandidateMessage.codec(), opts)
  }
}

export interface Evidence {
  first?: Signed
  second?: Signed
}

export namespace Evidence {
  let _codec: Codec<Evidence>

  export const codec = (): Codec<Evidence> => {
    if (_codec == null) {
      _codec = message<Evidence>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if (obj.first != null) {
          w.uint32(10)
          Signed.codec().encode(obj.first, w)
        }

        if (obj.second != null) {
          w.uint32(18)
          Signed.codec().encode(obj.second, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.first = Signed.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.first
              })
              break
            }
            case 2: {
              obj.second = Signed.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.second
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * Signed.codec().stream(reader, reader.uint32(), `${prefix}.first`, {
                limits: opts.limits?.first
              })

              break
            }
            case 2: {
              yield * Signed.codec().stream(reader, reader.uint32(), `${prefix}.second`, {
                limits: opts.limits?.second
              })

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface EvidenceFirstPayloadFieldEvent {
    field: '$.first.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EvidenceFirstKeyFieldEvent {
    field: '$.first.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EvidenceFirstSignatureFieldEvent {
    field: '$.first.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EvidenceSecondPayloadFieldEvent {
    field: '$.second.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EvidenceSecondKeyFieldEvent {
    field: '$.second.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface EvidenceSecondSignatureFieldEvent {
    field: '$.second.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<Evidence>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Evidence.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Evidence>): Evidence {
    return decodeMessage(buf, Evidence.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Evidence>): Generator<EvidenceFirstPayloadFieldEvent | EvidenceFirstKeyFieldEvent | EvidenceFirstSignatureFieldEvent | EvidenceSecondPayloadFieldEvent | EvidenceSecondKeyFieldEvent | EvidenceSecondSignatureFieldEvent> {
    return streamMessage(buf, Evidence.codec(), opts)
  }
}

export interface ConsensusMessage {
  proposal?: ProposalMessage
  vote?: VoteMessage
  candidate?: CandidateMessage
  evidence?: Evidence
}

export namespace ConsensusMessage {
  let _codec: Codec<ConsensusMessage>

  export const codec = (): Codec<ConsensusMessage> => {
    if (_codec == null) {
      _codec = message<ConsensusMessage>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        obj = { ...obj }

        if (obj.evidence != null) {
          obj.candidate = undefined
          obj.vote = undefined
          obj.proposal = undefined
        }

        if (obj.candidate != null) {
          obj.evidence = undefined
          obj.vote = undefined
          obj.proposal = undefined
        }

        if (obj.vote != null) {
          obj.evidence = undefined
          obj.candidate = undefined
          obj.proposal = undefined
        }

        if (obj.proposal != null) {
          obj.evidence = undefined
          obj.candidate = undefined
          obj.vote = undefined
        }

        if (obj.proposal != null) {
          w.uint32(10)
          ProposalMessage.codec().encode(obj.proposal, w)
        }

        if (obj.vote != null) {
          w.uint32(18)
          VoteMessage.codec().encode(obj.vote, w)
        }

        if (obj.candidate != null) {
          w.uint32(26)
          CandidateMessage.codec().encode(obj.candidate, w)
        }

        if (obj.evidence != null) {
          w.uint32(34)
          Evidence.codec().encode(obj.evidence, w)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {}

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.proposal = ProposalMessage.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.proposal
              })
              break
            }
            case 2: {
              obj.vote = VoteMessage.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.vote
              })
              break
            }
            case 3: {
              obj.candidate = CandidateMessage.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.candidate
              })
              break
            }
            case 4: {
              obj.evidence = Evidence.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.evidence
              })
              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }

        if (obj.evidence != null) {
          delete obj.candidate
          delete obj.vote
          delete obj.proposal
        }

        if (obj.candidate != null) {
          delete obj.evidence
          delete obj.vote
          delete obj.proposal
        }

        if (obj.vote != null) {
          delete obj.evidence
          delete obj.candidate
          delete obj.proposal
        }

        if (obj.proposal != null) {
          delete obj.evidence
          delete obj.candidate
          delete obj.vote
        }

        return obj
      }, function * (reader, length, prefix, opts = {}) {
        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield * ProposalMessage.codec().stream(reader, reader.uint32(), `${prefix}.proposal`, {
                limits: opts.limits?.proposal
              })

              break
            }
            case 2: {
              yield * VoteMessage.codec().stream(reader, reader.uint32(), `${prefix}.vote`, {
                limits: opts.limits?.vote
              })

              break
            }
            case 3: {
              yield * CandidateMessage.codec().stream(reader, reader.uint32(), `${prefix}.candidate`, {
                limits: opts.limits?.candidate
              })

              break
            }
            case 4: {
              yield * Evidence.codec().stream(reader, reader.uint32(), `${prefix}.evidence`, {
                limits: opts.limits?.evidence
              })

              break
            }
            default: {
              reader.skipType(tag & 7)
              break
            }
          }
        }
      })
    }

    return _codec
  }

  export interface ConsensusMessageProposalSignedPayloadFieldEvent {
    field: '$.proposal.signed.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageProposalSignedKeyFieldEvent {
    field: '$.proposal.signed.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageProposalSignedSignatureFieldEvent {
    field: '$.proposal.signed.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageProposalPartsFieldEvent {
    field: '$.proposal.parts[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageVoteSignedPayloadFieldEvent {
    field: '$.vote.signed.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageVoteSignedKeyFieldEvent {
    field: '$.vote.signed.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageVoteSignedSignatureFieldEvent {
    field: '$.vote.signed.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageVoteProposalsFieldEvent {
    field: '$.vote.proposals[]'
    index: number
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageCandidateSignedPayloadFieldEvent {
    field: '$.candidate.signed.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageCandidateSignedKeyFieldEvent {
    field: '$.candidate.signed.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageCandidateSignedSignatureFieldEvent {
    field: '$.candidate.signed.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageCandidatePrevotesSeqFieldEvent {
    field: '$.candidate.prevotes.seq'
    value: number
  }

  export interface ConsensusMessageCandidatePrevotesAttemptFieldEvent {
    field: '$.candidate.prevotes.attempt'
    value: number
  }

  export interface ConsensusMessageCandidatePrevotesHashFieldEvent {
    field: '$.candidate.prevotes.hash'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageCandidatePrevotesSignaturesValidatorFieldEvent {
    field: '$.candidate.prevotes.signatures[].validator'
    value: number
    index: number
  }

  export interface ConsensusMessageCandidatePrevotesSignaturesSignatureFieldEvent {
    field: '$.candidate.prevotes.signatures[].signature'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export interface ConsensusMessageEvidenceFirstPayloadFieldEvent {
    field: '$.evidence.first.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageEvidenceFirstKeyFieldEvent {
    field: '$.evidence.first.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageEvidenceFirstSignatureFieldEvent {
    field: '$.evidence.first.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageEvidenceSecondPayloadFieldEvent {
    field: '$.evidence.second.payload'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageEvidenceSecondKeyFieldEvent {
    field: '$.evidence.second.key'
    value: Uint8Array<ArrayBuffer>
  }

  export interface ConsensusMessageEvidenceSecondSignatureFieldEvent {
    field: '$.evidence.second.signature'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<ConsensusMessage>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ConsensusMessage.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ConsensusMessage>): ConsensusMessage {
    return decodeMessage(buf, ConsensusMessage.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ConsensusMessage>): Generator<ConsensusMessageProposalSignedPayloadFieldEvent | ConsensusMessageProposalSignedKeyFieldEvent | ConsensusMessageProposalSignedSignatureFieldEvent | ConsensusMessageProposalPartsFieldEvent | ConsensusMessageVoteSignedPayloadFieldEvent | ConsensusMessageVoteSignedKeyFieldEvent | ConsensusMessageVoteSignedSignatureFieldEvent | ConsensusMessageVoteProposalsFieldEvent | ConsensusMessageCandidateSignedPayloadFieldEvent | ConsensusMessageCandidateSignedKeyFieldEvent | ConsensusMessageCandidateSignedSignatureFieldEvent | ConsensusMessageCandidatePrevotesSeqFieldEvent | ConsensusMessageCandidatePrevotesAttemptFieldEvent | ConsensusMessageCandidatePrevotesHashFieldEvent | ConsensusMessageCandidatePrevotesSignaturesValidatorFieldEvent | ConsensusMessageCandidatePrevotesSignaturesSignatureFieldEvent | ConsensusMessageEvidenceFirstPayloadFieldEvent | ConsensusMessageEvidenceFirstKeyFieldEvent | ConsensusMessageEvidenceFirstSignatureFieldEvent | ConsensusMessageEvidenceSecondPayloadFieldEvent | ConsensusMessageEvidenceSecondKeyFieldEvent | ConsensusMessageEvidenceSecondSignatureFieldEvent> {
    return streamMessage(buf, ConsensusMessage.codec(), opts)
  }
}
