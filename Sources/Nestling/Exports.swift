// `import Nestling` is all that a program needs: what the library's functions take and give comes along.
@_exported public import Basics
@_exported public import Blocks
@_exported public import Checkpoints
@_exported public import Elastic
@_exported public import Generation
@_exported public import Images
@_exported public import Models
@_exported public import enum Tensors.Codec
@_exported public import Tokenizers
