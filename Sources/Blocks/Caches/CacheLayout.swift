import NestlingBasics
import NestlingKernels

/// What the layers of a network keep of each token. Shared by all sequences that one network's weights run. Layers that take the
/// keys and values of another one keep nothing of their own.
public struct CacheLayout: Sendable, Equatable {
    /// What one layer keeps.
    public struct Layer: Sendable, Equatable {
        /// Heads of keys, and as many of values.
        public let keyHeads: Int
        /// Elements of each.
        public let headSize: Int
        /// How many tokens back a token is still seen; `nil`: always.
        public internal(set) var radius: Int?
        /// Keys of sequences that are planned for more tokens than these depend on how many (dynamic and longrope rotary
        /// positions); `nil`: they never do.
        public let shortTokens: Int?

        /// A layer.
        public init(keyHeads: Int, headSize: Int, radius: Int?, shortTokens: Int?) {
            self.keyHeads = keyHeads
            self.headSize = headSize
            self.radius = radius
            self.shortTokens = shortTokens
        }
    }

    /// Tokens of a page: what is taken, shared and given back at once.
    public static let pageTokens = Int(NK_CACHE_PAGE)

    /// Each layer of the whole network that keeps something.
    public let layers: [Layer]
    /// Which of ``layers`` has the keys and values of each block.
    private let places: [Int]
    /// How numbers are kept.
    public let type: CacheType

    /// The layout of a network with `blocks`.
    ///
    /// - Throws: `.unsupported` without blocks, and for those whose tokens see later ones, or whose mixers keep something else.
    public init(_ blocks: [Block], type: CacheType) throws(Failure) {
        guard !blocks.isEmpty else { throw Failure(.unsupported, "the model cannot generate: it has no layers") }
        var layers: [Layer] = []
        var places: [Int] = []
        var given: [String: Int] = [:]
        for (index, block) in blocks.enumerated() {
            var layer: Layer?
            var sharing: KeySharing?
            for case .mixer(let mixer) in block.sublayers.map(\.operation) {
                guard mixer.isCausal, layer == nil, let kept = mixer.cacheLayer else {
                    throw Failure(
                        .unsupported,
                        "the model cannot generate: tokens of layer \(index + 1) see later ones, or more than one cache"
                    )
                }
                (layer, sharing) = (kept, mixer.sharing)
            }
            guard let layer else {
                throw Failure(.unsupported, "the model cannot generate: layer \(index + 1) has no attention")
            }
            if case .takes(let name) = sharing {
                guard let place = given[name] else {
                    throw Failure(
                        .unsupported,
                        "the model cannot generate: no layer gives layer \(index + 1) the keys \(name.quoted)")
                }
                // What a later layer still sees must be kept.
                layers[place].radius = layers[place].radius.flatMap { own in layer.radius.map { max(own, $0) } }
                places.append(place)
                continue
            }
            if case .gives(let name) = sharing { given[name] = layers.count }
            places.append(layers.count)
            layers.append(layer)
        }
        self.layers = layers
        self.places = places
        self.type = type
    }

    /// Which of ``layers`` has the keys and values of block `index`.
    func place(_ index: Int) -> Int { places[index] }

    /// Bytes of a page of layer `index`.
    public func pageBytes(_ index: Int) -> Int {
        layers[index].keyHeads * nk_cache_head_bytes(type.kernel, layers[index].headSize)
    }

    /// Whether sequences planned for `first` and for `second` tokens have the same keys.
    public func agree(_ first: Int, _ second: Int) -> Bool {
        first == second || layers.allSatisfy { max(first, second) <= $0.shortTokens ?? .max }
    }

    /// Bytes that a token takes in all layers, while none of them has forgotten it.
    public var tokenBytes: Int { layers.indices.reduce(0) { $0 + pageBytes($1) } / CacheLayout.pageTokens }
}
