"""How each figure is measured, in short; docs/judging.md has the details."""

MESSAGES = {
    "method.recovery.heading": ("Recovery time", "復旧時間"),
    "method.recovery.text": (
        "Measured by clients, not by consoles. A heartbeat beside the load sends requests at a constant rate, "
        "whatever "
        "the answers, each over a connection of its own. Recovery time runs from the first beat that was not "
        "answered "
        "as expected within the deadline to good service of every operation, sustained for a window that stands with "
        "the figure. Its uncertainty is the distance of the beats at its two edges, and what is not known in "
        "between; "
        "while packets are lost on purpose single lost beats are no outage.",
        "管理画面ではなくクライアント側で測定します。負荷とは別のハートビートが、応答の有無にかかわらず一定間隔で、"
        "毎回新しい接続により"
        "要求を送信します。復旧時間は、期限内に期待どおりの応答が得られなかった最初のビートから、"
        "全操作の正常応答が所定時間継続するまで"
        "です (条件は測定値に併記)。不確かさは両端のビート間隔と途中の不明区間です。"
        "意図的なパケット損失中の単発の欠落は停止とみなしま"
        "せん。",
    ),
    "method.lost.heading": ("Lost writes", "書込み消失"),
    "method.lost.text": (
        "Every write of the heartbeat goes into a ledger: accepted, refused, or unknown (no answer came). After each "
        "movement every write is asked for by its id until the stores agree. Lost is what was accepted and is then "
        "missing, never settled, or without effect on its account's balance. When the stores do not come to agree, "
        "or an "
        "accepted write cannot be read, it is not measured, never 0. Only the heartbeat's own writes are followed: "
        "others "
        "in the same seconds were likely lost, too. In the lab the databases' own account stands beside it, id by "
        "id.",
        "ハートビートの書込みは、受付・拒否・不明 (応答なし) のいずれかとして全件台帳に記録します。切替・"
        "切戻しの後、データストアが収束"
        "するまで全件を ID で照合します。消失とは、受付後に該当なし、未確定のまま、"
        "または残高に反映されていないものです。収束しない場合"
        "や照合できない受付済み書込みがある場合は「未測定」とし、0 件とはしません。"
        "追跡対象はハートビートの書込みのみで、同時刻のその他"
        "の書込みも失われた可能性があります。ラボではデータベース側の記録と ID 単位で突き合わせます。",
    ),
    "method.availability.heading": ("Availability", "稼働率"),
    "method.availability.text": (
        "The share of the heartbeat's beats that were answered as expected within the deadline, over the whole "
        "drill, "
        "faults and movements included. Beats that were not sent, or sent too late to tell, make it uncertain. The "
        "load "
        "generator's users wait for each answer before they ask again, so they ask least when it matters most: their "
        "longest outage is told, but availability is not taken from them.",
        "訓練全期間 (障害注入・切替中を含む) のビートのうち、期限内に期待どおり応答したものの割合です。"
        "未送信または送信遅延のため判断"
        "できないビートは不確かさに含めます。負荷生成側の利用者は応答を待って次を送るため、"
        "障害時ほど要求が減ります。そのため最長停止"
        "時間のみを示し、稼働率の算出には用いません。",
    ),
    "method.degraded.heading": ("Degraded service, seconds with errors", "性能劣化・エラー発生秒数"),
    "method.degraded.text": (
        "Degraded is what was served, but not well: the limits of success and latency stand with the figure. Seconds "
        "with errors are the seconds in which at least one beat was not served.",
        "性能劣化とは、応答はあるが成功率または応答時間が基準外の状態です (基準は測定値に併記)。エラー発生秒数は、"
        "応答のないビートが "
        "1 件以上あった秒数です。",
    ),
    "method.latency.heading": ("Latencies and the figure's panels", "応答時間と図の各段"),
    "method.latency.text": (
        "In the figure each step is a round number of seconds wide. Percentiles are of the answers that were as "
        "expected, "
        "nearest rank; the slowest mark is the slowest of all requests of that step, failed ones included, at the "
        "very "
        "moment at which it began. Of many heartbeats the first, last, quickest and slowest of each pixel are drawn, "
        "every one that was not served as long as they are few, and every change of the serving region as a row "
        "above "
        "with exact edges: nothing that stands out is left out.",
        "図の階段の幅は切りのよい秒数です。百分位は期待どおりの応答を対象とした最近順位法、"
        "最大は失敗を含む全リクエストの最も遅いもの"
        "で、その開始時刻に示します。ハートビートが多数の場合は画素ごとの先頭・末尾・最小・最大を表示します。"
        "応答のないビートは少数で"
        "あれば全件、応答リージョンの変化は上段に正確な時刻で示し、特異点を落としません。",
    ),
    "method.phases.heading": ("Phases", "フェーズ"),
    "method.phases.text": (
        "A phase is a moment that is known to lie between two others: two looks at the regions' facts, the "
        "beginning and "
        "the end of a state of the state machine, two beats. Several pieces of evidence narrow it down; where they "
        "exclude each other, what was seen counts, not what the machinery says of itself, and that is told. Each "
        "phase "
        "counts from what must have come before it. A phase without evidence is not seen.",
        "フェーズは、リージョン情報の 2 回の観測、状態機械のステートの開始と終了、2 つのビートなど、2 "
        "時点の間にあると判明している時刻"
        "です。複数の根拠で範囲を絞り、矛盾する場合は自己申告ではなく観測を採用し、その旨を示します。"
        "所要時間は前提となるフェーズから"
        "数えます。根拠のないフェーズは「未観測」とします。",
    ),
    "method.clocks.heading": ("Clocks", "時計"),
    "method.clocks.text": (
        "All times are on one line: that of the machine that ran the drill. The clocks of the heartbeat and of the "
        "load "
        "generator are compared with it all through the drill; half of what the question took is the uncertainty.",
        "時刻はすべて訓練実行端末の時計に統一しています。ハートビートと負荷生成側の時計は訓練中継続して比較し、"
        "往復時間の半分を不確か"
        "さとします。",
    ),
    "method.verdict.heading": ("Verdict", "判定"),
    "method.verdict.text": (
        "A pure function over what the run left behind: the same run gives the same verdict, anywhere, without the "
        "target. Of several findings the gravest counts: refused, interrupted, failed, invalid. Nothing that is "
        "missing "
        "makes a verdict better.",
        "判定は記録のみを入力とする関数であり、同じ記録からは常に同じ判定が得られます。"
        "複数の検出事項がある場合は最も重いもの (開始拒否、"
        "中断、不合格、無効の順) を採用します。記録の欠落により判定が良くなることはありません。",
    ),
    "method.integrity.heading": ("Integrity", "完全性"),
    "method.integrity.text": (
        "Each line of the history ends with a seal over itself and everything before it, and names the SHA-256 of "
        "each "
        "record when it was collected. What was cut, changed, moved or exchanged is found, and stands among the "
        "findings. "
        "That protects from accidents, not from someone who forges a run with care and seals it anew.",
        "履歴の各行は、その行と先行する全行に対する封印値を持ち、記録ファイル収集時の SHA-256 を含みます。欠落・"
        "変更・移動・差替えは検出"
        "事項に示されます。これは事故に対する保護であり、周到な偽造と再封印を防ぐものではありません。",
    ),
}
