public import NestlingBasics
import NestlingKernels

/// The library as a whole: its version, and the one pool of threads that all models share.
public enum Engine {
    /// The version, as in the C header: major, minor, patch.
    public static let version = (major: 0, minor: 1, patch: 0)

    /// The version as text, for example "0.1.0".
    public static var versionText: String { "\(version.major).\(version.minor).\(version.patch)" }

    /// The instruction set in use: "avx512bf16", "avx512vnni", "avx512", "avx2vnni", "avx2" or "portable". The environment
    /// variable `NESTLING_ISA` chooses a lower one when the process starts.
    public static var instructionSet: String { String(cString: nk_isa_name()) }

    /// Threads that one call may use, the caller's included; by default the processors that affinity and cgroup quota
    /// allow. Settable from any thread; 0 restores the default, more than 1024 counts as 1024.
    public static var threadCount: Int {
        get { Int(nk_thread_count()) }
        set { nk_set_thread_count(Int32(clamping: min(max(newValue, 0), 1024))) }
    }

    /// Processors that this process may use: those that affinity and cgroup quota allow when the library is first used, or as
    /// many as the environment variable `NESTLING_PROCESSORS` says. Never more threads run at once, whatever is set.
    public static var usableProcessors: Int { Int(nk_usable_processors()) }
}

extension Engine {
    /// Version, instruction set and threads, as `nestling_build_info` gives them.
    public static var info: JSON {
        [
            "version": .string(versionText), "instruction_set": .string(instructionSet),
            "threads": .integer(threadCount), "usable_processors": .integer(usableProcessors),
        ]
    }
}
