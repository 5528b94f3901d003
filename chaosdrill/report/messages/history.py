"""Messages of the page with the history of game days."""

MESSAGES = {
    "history.title": ("History of the game days", "定期訓練の履歴"),
    "history.made": ("Made on", "作成日"),
    "history.days": ("Occurrences of the last {days} days", "直近 {days} 日間の予定"),
    "history.systems": ("Systems", "対象システム"),
    "history.system": ("System", "システム"),
    "history.last-proof": ("Last proof", "最新の実証"),
    "history.proof-about": (
        "Proof is the newest run that says anything about the system, passed or failed. A run that is older than "
        "{days} days, invalid, refused, interrupted, unreadable, dry, or in a lab that was broken on purpose never "
        "counts.",
        "実証とは、システムについて何かを示した最新の訓練 (合格または不合格) です。{days} 日より古いもの、無効・"
        "開始拒否・中断・読取り不能・ドライラン、および意図的に不正動作させたラボでの訓練は含みません。",
    ),
    "history.nothing-proved": ("nothing is proved", "実証なし"),
    "history.stale": ("stale: {days} days ago, it does not count", "期限切れ: {days} 日前 (実証に含まない)"),
    "history.age": ("{days} days ago", "{days} 日前"),
    "history.open": ("Open findings", "未解決の検出事項"),
    "history.overdue": ("Overdue", "期限超過"),
    "history.planned": ("Planned", "予定時刻"),
    "history.outcome": ("Outcome", "結果"),
    "history.verdict": ("Verdict", "判定"),
    "history.recovery": ("Recovery against objective", "復旧時間と目標値"),
    "history.why": ("Run, or why not", "訓練 ID または未実施の理由"),
    "history.approved-by": ("approved by", "承認者"),
    "history.unverified": ('"{name}", unverified', "「{name}」未検証"),
    "history.signed": ("signed", "署名を検証済み"),
    "history.bad-signature": ("its signature is not valid", "署名が無効"),
    "history.no-proof": ("no proof", "実証に含まない"),
    "history.no-objective": ("no objective", "目標値なし"),
    "history.no-occurrence": ("No occurrence is in the ledger.", "台帳に記録はありません。"),
    "history.state": ("State", "状態"),
    "history.owner": ("Owner", "担当"),
    "history.due": ("Due", "期限"),
    "history.ticket": ("Ticket", "チケット"),
    "history.shown-by": ("Shown by", "検出した訓練"),
    "history.is-open": ("open", "未解決"),
    "history.is-overdue": ("overdue", "期限超過"),
    "history.is-closed": ("closed by", "解決:"),
    "history.no-findings": ("No run has shown any.", "検出事項はありません。"),
    "history.footer": (
        "Written by chaosdrill {version} from the ledger of the game days and the runs that it names. A finding is "
        "closed by a later drill that could have shown it and did not, and by nothing else.",
        "chaosdrill {version} が、定期訓練の台帳と訓練の記録に基づいて作成しました。検出事項は、それを検出し得た"
        "後の訓練で検出されなかった場合にのみ解決とします。",
    ),
    "outcome.claimed": ("running, or about to", "実施中または開始直前"),
    "outcome.ran": ("ran", "実施"),
    "outcome.skipped": ("skipped", "スキップ"),
    "outcome.refused": ("refused", "開始拒否"),
    "outcome.expired": ("expired", "承認期限切れ"),
    "outcome.missed": ("missed", "開始時刻超過"),
    "outcome.died": ("died", "異常終了"),
}
