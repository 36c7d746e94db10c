import Nestling

/// A reduction, and how tables and plots call it.
struct NamedReduction {
    /// The method, and whatever else besides the schedule was asked for: reductions that differ only in their schedule have
    /// the same. `tome`, or `tome {"protect":"first"}`
    let series: String
    /// How it is said how many tokens go: r, ratio, keep or flops.
    let schedule: String
    /// So many: `8`, `0.5`, or a list.
    let value: String
    /// As `nestling.h` says it.
    let json: String
    let reducer: any Reducer

    private static let schedules = ["r", "ratio", "keep", "flops"]

    /// Reads a JSON object.
    init(json text: String) throws(Failure) {
        reducer = try Reducers.reducer(json: text)
        var others = try JSON.parse(text, name: "reduction").object ?? JSONObject()
        let method = others["method"]?.string ?? ""
        json = JSON.object(others).serialized()
        schedule = Self.schedules.first { others.contains($0) } ?? ""
        value = others[schedule]?.serialized() ?? ""
        for key in ["method", schedule] { others[key] = nil }
        series = others.count == 0 ? method : method + " " + JSON.object(others).serialized()
    }

    /// `method` with one of the schedules.
    init(method: String, _ schedule: String, _ value: JSON) throws(Failure) {
        var object = JSONObject()
        object["method"] = .string(method)
        object[schedule] = value
        try self.init(json: JSON.object(object).serialized())
    }

    /// `tome r 8`
    var label: String { schedule.isEmpty ? series : "\(series) \(schedule) \(value)" }
}
