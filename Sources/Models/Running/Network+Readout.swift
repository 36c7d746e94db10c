import NestlingBasics
import NestlingBlocks
import NestlingTensors

extension Network {
    /// The hidden states of the last block's rows `stream`: in the workspace, or the rows themselves where they hold one stream.
    func readOut(_ stream: Matrix, _ context: ForwardContext) throws(Failure) -> Matrix {
        guard let readout = weights.readout else { return stream }
        let states = try context.workspace.take(stream.rows, readout.hiddenSize)
        try readout.apply(stream, into: states, context)
        return states
    }

    /// Floats of workspace that ``readOut(_:_:)`` leaves taken for `rows` rows.
    func stateFloats(rows: Int) -> Int { weights.readout.map { Workspace.floats(rows, $0.hiddenSize) } ?? 0 }

    /// Floats of workspace that ``readOut(_:_:)`` takes.
    func readoutFloats(_ rows: Int) -> Int {
        stateFloats(rows: rows) + (weights.readout?.workspaceFloats(rows: rows) ?? 0)
    }
}
