import { decodeMessage, encodeMessage, MaxLengthError, message, streamMessage } from 'protons-runtime'
import { alloc as uint8ArrayAlloc } from 'uint8arrays/alloc'
import type { Codec, DecodeOptions } from 'protons-runtime'
import type { Uint8ArrayList } from 'uint8arraylist'

export interface Invitation {
  genesis: Uint8Array<ArrayBuffer>
  seq: number
}

export namespace Invitation {
  let _codec: Codec<Invitation>

  export const codec = (): Codec<Invitation> => {
    if (_codec == null) {
      _codec = message<Invitation>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.genesis != null && obj.genesis.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.genesis)
        }

        if ((obj.seq != null && obj.seq !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.seq)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          genesis: uint8ArrayAlloc(0),
          seq: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.genesis = reader.bytes()
              break
            }
            case 2: {
              obj.seq = reader.uint64Number()
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
                field: `${prefix}.genesis`,
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

  export interface InvitationGenesisFieldEvent {
    field: '$.genesis'
    value: Uint8Array<ArrayBuffer>
  }

  export interface InvitationSeqFieldEvent {
    field: '$.seq'
    value: number
  }

  export function encode (obj: Partial<Invitation>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, Invitation.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Invitation>): Invitation {
    return decodeMessage(buf, Invitation.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<Invitation>): Generator<InvitationGenesisFieldEvent | InvitationSeqFieldEvent> {
    return streamMessage(buf, Invitation.codec(), opts)
  }
}

export interface ContractFile {
  path: string
  bytes: number
  executable: boolean
  hash: Uint8Array<ArrayBuffer>
}

export namespace ContractFile {
  let _codec: Codec<ContractFile>

  export const codec = (): Codec<ContractFile> => {
    if (_codec == null) {
      _codec = message<ContractFile>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.path != null && obj.path !== '')) {
          w.uint32(10)
          w.string(obj.path)
        }

        if ((obj.bytes != null && obj.bytes !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.bytes)
        }

        if ((obj.executable != null && obj.executable !== false)) {
          w.uint32(24)
          w.bool(obj.executable)
        }

        if ((obj.hash != null && obj.hash.byteLength > 0)) {
          w.uint32(34)
          w.bytes(obj.hash)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          path: '',
          bytes: 0,
          executable: false,
          hash: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.path = reader.string()
              break
            }
            case 2: {
              obj.bytes = reader.uint64Number()
              break
            }
            case 3: {
              obj.executable = reader.bool()
              break
            }
            case 4: {
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
                field: `${prefix}.path`,
                value: reader.string()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.bytes`,
                value: reader.uint64Number()
              }
              break
            }
            case 3: {
              yield {
                field: `${prefix}.executable`,
                value: reader.bool()
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

  export interface ContractFilePathFieldEvent {
    field: '$.path'
    value: string
  }

  export interface ContractFileBytesFieldEvent {
    field: '$.bytes'
    value: number
  }

  export interface ContractFileExecutableFieldEvent {
    field: '$.executable'
    value: boolean
  }

  export interface ContractFileHashFieldEvent {
    field: '$.hash'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<ContractFile>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ContractFile.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ContractFile>): ContractFile {
    return decodeMessage(buf, ContractFile.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ContractFile>): Generator<ContractFilePathFieldEvent | ContractFileBytesFieldEvent | ContractFileExecutableFieldEvent | ContractFileHashFieldEvent> {
    return streamMessage(buf, ContractFile.codec(), opts)
  }
}

export interface ContractManifest {
  binary: string
  binargs: string[]
  files: ContractFile[]
}

export namespace ContractManifest {
  let _codec: Codec<ContractManifest>

  export const codec = (): Codec<ContractManifest> => {
    if (_codec == null) {
      _codec = message<ContractManifest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.binary != null && obj.binary !== '')) {
          w.uint32(10)
          w.string(obj.binary)
        }

        if (obj.binargs != null && obj.binargs.length > 0) {
          for (const value of obj.binargs) {
            w.uint32(18)
            w.string(value)
          }
        }

        if (obj.files != null && obj.files.length > 0) {
          for (const value of obj.files) {
            w.uint32(26)
            ContractFile.codec().encode(value, w)
          }
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          binary: '',
          binargs: [],
          files: []
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.binary = reader.string()
              break
            }
            case 2: {
              if (opts.limits?.binargs != null && obj.binargs.length === opts.limits.binargs) {
                throw new MaxLengthError('Decode error - repeated field "binargs" had too many elements')
              }

              obj.binargs.push(reader.string())
              break
            }
            case 3: {
              if (opts.limits?.files != null && obj.files.length === opts.limits.files) {
                throw new MaxLengthError('Decode error - repeated field "files" had too many elements')
              }

              obj.files.push(ContractFile.codec().decode(reader, reader.uint32(), {
                limits: opts.limits?.files$
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
          binargs: 0,
          files: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              yield {
                field: `${prefix}.binary`,
                value: reader.string()
              }
              break
            }
            case 2: {
              if (opts.limits?.binargs != null && obj.binargs === opts.limits.binargs) {
                throw new MaxLengthError('Streaming decode error - repeated field "binargs" had too many elements')
              }

              yield {
                field: `${prefix}.binargs[]`,
                index: obj.binargs,
                value: reader.string()
              }

              obj.binargs++

              break
            }
            case 3: {
              if (opts.limits?.files != null && obj.files === opts.limits.files) {
                throw new MaxLengthError('Streaming decode error - repeated field "files" had too many elements')
              }

              for (const evt of ContractFile.codec().stream(reader, reader.uint32(), `${prefix}.files[]`, {
                limits: opts.limits?.files$
              })) {
                yield {
                  ...evt,
                  index: obj.files
                }
              }

              obj.files++

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

  export interface ContractManifestBinaryFieldEvent {
    field: '$.binary'
    value: string
  }

  export interface ContractManifestBinargsFieldEvent {
    field: '$.binargs[]'
    index: number
    value: string
  }

  export interface ContractManifestFilesPathFieldEvent {
    field: '$.files[].path'
    value: string
    index: number
  }

  export interface ContractManifestFilesBytesFieldEvent {
    field: '$.files[].bytes'
    value: number
    index: number
  }

  export interface ContractManifestFilesExecutableFieldEvent {
    field: '$.files[].executable'
    value: boolean
    index: number
  }

  export interface ContractManifestFilesHashFieldEvent {
    field: '$.files[].hash'
    value: Uint8Array<ArrayBuffer>
    index: number
  }

  export function encode (obj: Partial<ContractManifest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ContractManifest.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ContractManifest>): ContractManifest {
    return decodeMessage(buf, ContractManifest.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ContractManifest>): Generator<ContractManifestBinaryFieldEvent | ContractManifestBinargsFieldEvent | ContractManifestFilesPathFieldEvent | ContractManifestFilesBytesFieldEvent | ContractManifestFilesExecutableFieldEvent | ContractManifestFilesHashFieldEvent> {
    return streamMessage(buf, ContractManifest.codec(), opts)
  }
}

export interface ContractRequest {
  path: string
  offset: number
}

export namespace ContractRequest {
  let _codec: Codec<ContractRequest>

  export const codec = (): Codec<ContractRequest> => {
    if (_codec == null) {
      _codec = message<ContractRequest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.path != null && obj.path !== '')) {
          w.uint32(10)
          w.string(obj.path)
        }

        if ((obj.offset != null && obj.offset !== 0)) {
          w.uint32(16)
          w.uint64Number(obj.offset)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          path: '',
          offset: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.path = reader.string()
              break
            }
            case 2: {
              obj.offset = reader.uint64Number()
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
                field: `${prefix}.path`,
                value: reader.string()
              }
              break
            }
            case 2: {
              yield {
                field: `${prefix}.offset`,
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

  export interface ContractRequestPathFieldEvent {
    field: '$.path'
    value: string
  }

  export interface ContractRequestOffsetFieldEvent {
    field: '$.offset'
    value: number
  }

  export function encode (obj: Partial<ContractRequest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ContractRequest.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ContractRequest>): ContractRequest {
    return decodeMessage(buf, ContractRequest.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ContractRequest>): Generator<ContractRequestPathFieldEvent | ContractRequestOffsetFieldEvent> {
    return streamMessage(buf, ContractRequest.codec(), opts)
  }
}

export interface ContractPiece {
  content: Uint8Array<ArrayBuffer>
}

export namespace ContractPiece {
  let _codec: Codec<ContractPiece>

  export const codec = (): Codec<ContractPiece> => {
    if (_codec == null) {
      _codec = message<ContractPiece>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.content != null && obj.content.byteLength > 0)) {
          w.uint32(10)
          w.bytes(obj.content)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          content: uint8ArrayAlloc(0)
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
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

  export interface ContractPieceContentFieldEvent {
    field: '$.content'
    value: Uint8Array<ArrayBuffer>
  }

  export function encode (obj: Partial<ContractPiece>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, ContractPiece.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ContractPiece>): ContractPiece {
    return decodeMessage(buf, ContractPiece.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<ContractPiece>): Generator<ContractPieceContentFieldEvent> {
    return streamMessage(buf, ContractPiece.codec(), opts)
  }
}

export interface StartRequest {
  ledgers: number
}

export namespace StartRequest {
  let _codec: Codec<StartRequest>

  export const codec = (): Codec<StartRequest> => {
    if (_codec == null) {
      _codec = message<StartRequest>((obj, w, opts = {}) => {
        if (opts.lengthDelimited !== false) {
          w.fork()
        }

        if ((obj.ledgers != null && obj.ledgers !== 0)) {
          w.uint32(8)
          w.uint32(obj.ledgers)
        }

        if (opts.lengthDelimited !== false) {
          w.ldelim()
        }
      }, (reader, length, opts = {}) => {
        const obj: any = {
          ledgers: 0
        }

        const end = length == null ? reader.len : reader.pos + length

        while (reader.pos < end) {
          const tag = reader.uint32()

          switch (tag >>> 3) {
            case 1: {
              obj.ledgers = reader.uint32()
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
                field: `${prefix}.ledgers`,
                value: reader.uint32()
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

  export interface StartRequestLedgersFieldEvent {
    field: '$.ledgers'
    value: number
  }

  export function encode (obj: Partial<StartRequest>): Uint8Array<ArrayBuffer> {
    return encodeMessage(obj, StartRequest.codec())
  }

  export function decode (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<StartRequest>): StartRequest {
    return decodeMessage(buf, StartRequest.codec(), opts)
  }

  export function stream (buf: Uint8Array | Uint8ArrayList, opts?: DecodeOptions<StartRequest>): Generator<StartRequestLedgersFieldEvent> {
    return streamMessage(buf, StartRequest.codec(), opts)
  }
}
