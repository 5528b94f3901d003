"""Messages of the last lines of a drill on the terminal."""

MESSAGES = {
    "end.verdict": ("verdict", "判定"),
    "end.why": ("why", "理由"),
    "end.owed": ("in force", "未復旧"),
    "end.rescue": (
        "{steps}: when the cause is removed, run `chaosdrill rescue {run}`",
        "{steps}: 原因を取り除いてから `chaosdrill rescue {run}` を実行してください",
    ),
    "end.recovery": ("recovery", "復旧時間"),
    "end.lost": ("lost writes", "書込み消失"),
    "end.report": ("report", "レポート"),
    "end.details": ("details", "詳細"),
    "end.more-reasons": ("(and {number} more)", "(ほか{number}件)"),
    "end.lab": ("lab: not a real system's recovery time", "ラボ: 実システムの復旧時間ではありません"),
    "end.lab-scaled": (
        "lab, waits × {scale}: not a real system's recovery time",
        "ラボ、待ち時間 × {scale}: 実システムの復旧時間ではありません",
    ),
    "end.broken": ("broken on purpose: {names}", "意図的に故障させたラボ: {names}"),
    "end.lenient": ("more lenient than AWS: {names}", "AWS より寛容なラボ: {names}"),
    "end.no-report": ("not written: {why}", "作成できませんでした: {why}"),
    "end.not-measured": ("not measured", "未測定"),
    "end.recovery_s": ("after the fault", "障害発生後"),
    "end.recovery_fail_over_s": ("failover", "切替"),
    "end.recovery_fail_back_s": ("failback", "切戻し"),
    "end.lost_writes_after_failover": ("after the failover", "切替後"),
    "end.lost_writes_after_failback": ("after the failback", "切戻し後"),
}
