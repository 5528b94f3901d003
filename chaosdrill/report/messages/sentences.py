"""Japanese translations of the judgement's sentences (:mod:`chaosdrill.messages`), by their English templates.

The placeholders are the same in both languages. A quoted text from another source brings its own brackets.
"""

from collections.abc import Mapping

# sentences of every drill, and how sentences are combined
_EVERYWHERE = {
    "{one}; {other}": "{one}。{other}",
    "{one} and {other}": "{one}、{other}",
    " and {n} more": "、ほか {n} 件",
    "{n} more": "ほか {n} 件",
    "{number}": "{number}",
    "{number} {unit}": "{number} {unit}",
    "{figure} ± {about}": "{figure} ± {about}",
    "at least {figure}": "{figure}以上",
    "not measured: {why}": "未測定: {why}",
    "no reason is known": "理由不明",
    "no reason was given": "理由の記録なし",
    "not known": "不明",
    "not seen": "未観測",
    "{regions}": "{regions}",
    "serving({region})": "稼働中 ({region})",
    "before": "前",
    "after": "後",
    "{took} after {since}": "「{since}」から {took}",
    "it could not be worked out": "算出できませんでした",
    "{rule} could not be judged: {why}": "{rule}を判定できませんでした: {why}",
    "every planned step was done and all {checks} checks held": (
        "計画した手順をすべて実施し、{checks} 件の確認はすべて許容値内でした"
    ),
}
# evidence: where something was observed
_EVIDENCE = {
    "heartbeat": "ハートビート",
    "heartbeat: its lookups": "ハートビート: 名前解決の結果",
    "heartbeat: the first beat that was not served": "ハートビート: 最初の応答なしビート",
    "heartbeat: good for {limits}": "ハートビート: 正常応答の継続 ({limits})",
    "heartbeat: the first good answer of every operation (the answers do not tell their region)": (
        "ハートビート: 全操作の最初の正常応答 (応答にリージョンの情報なし)"
    ),
    "heartbeat: the first good answer of every operation from an address of the region that was entered": (
        "ハートビート: 切替先リージョンのアドレスからの、全操作の最初の正常応答"
    ),
    "heartbeat: the first good answer of every operation from the region that was entered": (
        "ハートビート: 切替先リージョンからの全操作の最初の正常応答"
    ),
    "history": "履歴",
    "history: {event}": "履歴: {event}",
    "history: no {event}": "履歴: {event} の記録なし",
    "history: the fault's activity": "履歴: 障害注入の手順",
    "history: the first action": "履歴: 最初の操作",
    "history: {why}": "履歴: {why}",
    "kernel": "カーネル",
    "ledger": "書込み台帳",
    "records": "記録",
    "records: beats": "記録: ビート",
    "records: its end": "記録: 終端",
    "records: its watermarks": "記録: 経過時刻の記録",
    "records: watermarks of {source}": "記録: {source} の経過時刻の記録",
    "region facts": "リージョン情報",
    "databases in {region}": "{region} のデータベース",
    "a rule that failed": "判定規則の異常終了",
    "Step Functions": "Step Functions",
    "{said}, but region facts: it never was so": "{said} (ただしリージョン情報では一度も確認されず)",
    "Step Functions: {state}": "Step Functions: {state}",
    "Step Functions: {first} to {last}": "Step Functions: {first} から {last} まで",
    "Step Functions: the execution's start": "Step Functions: 実行開始",
}
# the history of the drill: chaosdrill.analysis.verdict
_VERDICT = {
    "{refusal}": "開始を拒否しました: {refusal}",
    "{how_lost}": "対象環境に接続できなくなりました: {how_lost}",
    "left of {part}: {what} ({name}): {by_hand}": "{part} に残っているもの: {what} ({name})。対処: {by_hand}",
    "the lease was lost (stage: {stage}): {why}": "{stage}の途中でリースを失いました: {why}",
    "interrupted (stage: {stage}): {signal}": "{stage}の途中で中断されました (要因: {signal})",
    "chaosdrill itself failed in {stage}: {why}": "{stage}の途中で chaosdrill 自体が異常終了しました: {why}",
    "the drill was never opened": "訓練が開始されていません",
    "the drill never started": "訓練が開始されませんでした",
    "{activity} was not begun: {why}": "手順「{activity}」は実行されませんでした: {why}",
    "{undo} (step {step}) to {to}, until {until}": "{undo} (手順「{step}」): {to} に引き継ぎ、期限 {until}",
    "{activity}: approved by {by} at {at}": "「{activity}」: {by} が承認 ({at})",
    "{activity}: not approved, {at}": "「{activity}」: 承認なし ({at})",
    "nobody approved it within {within_s:g} s": "{within_s:g} 秒以内に承認されませんでした",
    "it was refused by {by}": "{by} が承認しませんでした",
    "nobody could be asked for its approval: {why}": "承認を依頼できませんでした: {why}",
    "safeguard {name}: {why}": "安全装置「{name}」が作動しました: {why}",
    "the FIS safety lever of {region} is {state} ({reason})": (
        "{region} の FIS セーフティレバーが {state} です ({reason})"
    ),
    "the alarm {alarm} of {region} is in ALARM ({reason})": "{region} のアラーム {alarm} が ALARM です ({reason})",
    "clients were without service for {seconds:.1f} s, the limit unavailable_s is {limit:g} s": (
        "クライアントが {seconds:.1f} 秒間サービスを利用できませんでした (上限 unavailable_s は {limit:g} 秒)"
    ),
    "the read-back {read_back} found {lost} lost writes, the limit lost_writes is {limit}": (
        "{read_back}の読み戻しで消失した書き込みが {lost} 件見つかりました (上限 lost_writes は {limit} 件)"
    ),
    "the read-back {read_back} does not tell how many writes were lost: {why}": (
        "{read_back}の読み戻しでは消失した書き込みの件数が分かりません: {why}"
    ),
    "{stage}: {activity} failed: {why}": "{stage}: 手順「{activity}」が失敗しました: {why}",
    "{stage}: {activity} is {output}, expected {expected}": (
        "{stage}: 「{activity}」の値は「{output}」です (期待値は「{expected}」)"
    ),
    "{interruption}, from {sender}: {why}": "{interruption} (発生元「{sender}」: {why})",
    "{stage}: {activity} was not run": "{stage}: 手順「{activity}」が実行されていません",
    "{stage}: {activity} did not end": "{stage}: 手順「{activity}」が完了していません",
    "{problem}: {step} is not undone": "{problem}: 手順「{step}」は元に戻されていません",
    "{problem}: {step} ({users} users) is not undone": (
        "{problem}: 手順「{step}」(ユーザー数 {users}) は元に戻されていません"
    ),
    "{lag_s:.1f} s at {rate_per_s:g}/s": "{lag_s:.1f} 秒 (毎秒 {rate_per_s:g} 件)",
    "{lag_s:.1f} s at {rate_per_s:g}/s, at most {capacity_per_s:g}/s beside the load": (
        "{lag_s:.1f} 秒 (毎秒 {rate_per_s:g} 件、負荷と並行して毎秒最大 {capacity_per_s:g} 件)"
    ),
    "the application settles writes more slowly than they are sent ({rate_per_s:g}/s by the heartbeat, beside the "
    "load): the drill itself would make it fail; lower `rate_per_s` of the heartbeat, or users": (
        "書き込みの確定が送信に追いついていません (ハートビートから毎秒 {rate_per_s:g} 件、負荷と並行)。"
        "訓練自体が障害を起こすため開始しません。ハートビートの `rate_per_s` またはユーザー数を減らしてください"
    ),
    "at the end the region state is {state}, expected {expected}": (
        "終了時のリージョン状態は {state} です (期待値は {expected})"
    ),
    "clients were still without service when the load was stopped, after {seconds:.1f} s": (
        "負荷の停止時点でクライアントへのサービスが復旧していません (停止から {seconds:.1f} 秒経過)"
    ),
    "the client outage could not be measured, so rto_s {rto_s:g} cannot be judged": (
        "クライアントの停止時間を測定できなかったため、rto_s ({rto_s:g} 秒) を判定できません"
    ),
    "no load was started, so rto_s {rto_s:g} cannot be judged": (
        "負荷が開始されていないため、rto_s ({rto_s:g} 秒) を判定できません"
    ),
    "clients were {seconds:.1f} s without service, the objective rto_s is {rto_s:g} s": (
        "クライアントの停止時間は {seconds:.1f} 秒です (目標 rto_s は {rto_s:g} 秒)"
    ),
    "a dry run (--dry {dry}) leaves out what it should prove": (
        "ドライラン (--dry {dry}) のため、検証対象を実行していません"
    ),
}
# objectives, writes, phases
_OBJECTIVES = {
    "clients were without service for {recovery}, the objective rto_s is {wanted:g} s": (
        "クライアントの停止時間は {recovery}です (目標 rto_s は {wanted:g} 秒)"
    ),
    "service was not seen to be sustained, {recovery}": "安定稼働を確認できていません ({recovery})",
    "the availability was {availability}, the objective availability_ratio is {wanted:g}": (
        "稼働率は {availability} です (目標 availability_ratio は {wanted:g})"
    ),
    "{objective} {wanted:g} cannot be judged: {why}": "{objective} (目標 {wanted:g}) を判定できません: {why}",
    "no write was read back": "照合した書込みがありません",
    "{objective} is {wanted:g}": "{objective} は {wanted:g}",
    "{lost}, {seconds} of writes; the objective {limits}": "{lost}。消失した時間幅は {seconds}です (目標 {limits})",
    "{read_back}: {n} of {accepted} accepted writes are lost ({ids}{more})": (
        "{read_back}: 受付済みの書込み {accepted} 件のうち {n} 件が失われています ({ids}{more})"
    ),
    "{lost}; {n} of them were lost before": "{lost}。うち {n} 件は以前の照合で消失済みです",
    "budget {phase} {budget:g} s cannot be judged: nothing was failed over": (
        "「{phase}」の時間枠 {budget:g} 秒を判定できません: 切替が行われていません"
    ),
    "budget {phase} {budget:g} s of the {movement} cannot be judged: {missing} was not seen": (
        "{movement}の「{phase}」の時間枠 {budget:g} 秒を判定できません: 「{missing}」が観測されていません"
    ),
    "{movement}: {phase} took {seconds:.1f} s after {since}, its budget is {budget:g} s": (
        "{movement}: 「{phase}」は「{since}」から {seconds:.1f} 秒を要しました (時間枠は {budget:g} 秒)"
    ),
    "{read_back}: {n} writes {group}: {ids}": "{read_back}: {group}の書込み {n} 件: {ids}",
    "{read_back}: {why_not}": "{read_back}: {why_not}",
    "{movement}: {contradiction}": "{movement}: {contradiction}",
    "{movement}: {reason}": "{movement}: {reason}",
    "the operation {operation} had no service when the heartbeat ended, for {seconds}": (
        "ハートビートの終了時点で操作 {operation} が復旧していません (停止時間 {seconds})"
    ),
    "lost, and not reported": "消失、照合では未検出",
    "reported as lost, and there": "照合では消失、実際には存在",
    "{read_back}: by the databases' own account {n} writes are {what}: {ids}": (
        "{read_back}: データベース側の記録と {n} 件が一致しません ({what}): {ids}"
    ),
    "{phase}: {said} ended it {seconds:.1f} s {when} {saw} saw it": (
        "「{phase}」の完了時刻は、{said}では{saw}による観測の {seconds:.1f} 秒{when}です"
    ),
    "{phase} was seen {seconds:.1f} s before {since}": (
        "「{phase}」が「{since}」より {seconds:.1f} 秒早く観測されています"
    ),
    "the phases from its start to the opening make {sum_s:.1f} s, the execution says {said_s:.1f} s": (
        "開始から開放までのフェーズの合計は {sum_s:.1f} 秒ですが、実行の記録では {said_s:.1f} 秒です"
    ),
}
# findings on clients, state machines, the fault and the records: chaosdrill.analysis.rules_*
_RULES = {
    "{movement}: clients still got the old DNS answer {seconds:.1f} s after routing was switched (TTL {ttl_s:g} s)": (
        "{movement}: 経路切替の {seconds:.1f} 秒後もクライアントに旧 DNS 応答が返っています (TTL {ttl_s:g} 秒)"
    ),
    "{region} serves by every fact, and for {seconds:.1f} s not one beat was served": (
        "リージョン情報では {region} が稼働中ですが、{seconds:.1f} 秒間ビートに 1 件も応答がありません"
    ),
    "after the {movement} {operations} recovered, and not one write was accepted in {seconds:.1f} s": (
        "{movement}の後、{operations} は復旧しましたが、書込みは {seconds:.1f} 秒間 1 件も受け付けられていません"
    ),
    "clients felt nothing of the fault": "障害注入の影響がクライアントに現れていません",
    "the fault was injected, and nothing was felt of it": "障害を注入しましたが、影響が確認されていません",
    "the fault dropped no packet ({before} before, {now} then)": (
        "障害注入によるパケット破棄がありません (注入前 {before}、注入後 {now})"
    ),
    "after the fault was healed {n} more packets were dropped": "障害解除後もパケットが {n} 個破棄されています",
    "{now:.1%} of the beats fail after the fault was healed, {was:.1%} did before it was injected": (
        "障害解除後もビートの {now:.1%} が失敗しています (注入前は {was:.1%})"
    ),
    "the {movement} ended {status}; {unseen}": "{movement}は {status} で終了しましたが、{unseen}",
    "the stop flag of {region} was never seen TRUE": "{region} の停止フラグが TRUE になったことを確認できません",
    "the stop flag of {region} was never seen FALSE": "{region} の停止フラグが FALSE になったことを確認できません",
    "the routing controls were never seen switched to {region}": (
        "ルーティングコントロールが {region} に切り替わったことを確認できません"
    ),
    "{region} was never seen to write": "{region} が書込み先になったことを確認できません",
    "the {movement} waited {waited_s:.2f} s in {state} where {meant_s:g} s are meant: "
    "the region that was left may have gone on writing": (
        "{movement}の {state} での待機は {waited_s:.2f} 秒です (想定は {meant_s:g} 秒)。"
        "切替元リージョンが書込みを続けていた可能性があります"
    ),
    "two regions were writers, for {seconds:.1f} s or longer": (
        "2 つのリージョンが {seconds:.1f} 秒以上、同時に書込み可能でした"
    ),
    "the writer moved to {destination}, and was {source} again {seconds:.1f} s after the start of the {movement}": (
        "書込み先は {destination} に移動しましたが、{movement}開始の {seconds:.1f} 秒後には {source} に戻っていました"
    ),
    "{source} was not heard for {seconds:.1f} s, from {after_s:.1f} s after the load began": (
        "負荷開始の {after_s:.1f} 秒後から {seconds:.1f} 秒間、{source} の記録がありません"
    ),
    "the load ended {seconds:.1f} s before it was stopped": "負荷が停止操作の {seconds:.1f} 秒前に終了しています",
    "the heartbeat was started, and nothing of it was recorded": "ハートビートを開始しましたが、記録がありません",
    "the heartbeat was not heard for {seconds:.1f} s": "ハートビートの記録が {seconds:.1f} 秒間途絶えています",
    "the heartbeat ended {seconds:.1f} s before it was stopped": (
        "ハートビートが停止操作の {seconds:.1f} 秒前に終了しています"
    ),
    "one beat in a hundred was sent {late_ms:.0f} ms late or later; "
    "more than {limit_ms:.0f} ms makes outages that are none": (
        "ビートの 100 件に 1 件が {late_ms:.0f} ミリ秒以上遅れて送信されています。"
        "{limit_ms:.0f} ミリ秒を超えると、実際にはない停止として測定されます"
    ),
    "the clock of {source} is {seconds:.3f} s{about} {which_way}; its times were corrected": (
        "{source} の時計が {seconds:.3f} 秒{about}{which_way}いるため、時刻を補正しました"
    ),
    " ± {seconds:.3g} s": " (± {seconds:.3g} 秒) ",
    "ahead": "進んで",
    "behind": "遅れて",
    "the heartbeat": "ハートビート",
    "the load generator": "負荷生成",
    "the clock of {recorder} was never compared with the recorder's: its moments may be off by any amount": (
        "{recorder}の時計は記録側の時計と一度も比較されておらず、時刻のずれの大きさは不明です"
    ),
    # the fault's effect, in figures
    "{effect}": "{effect}",
    "{what}: {before} before, {during} under the fault": "{what}: 注入前 {before}、注入中 {during}",
    "{rose}: {low:.2g} to {high} more (95 %)": "{rose} (増加は 95 % 区間で {low:.2g} から {high})",
    "{what} not served": "{what}の応答なしの割合",
    "p90 of {what}": "{what}の p90",
    "no answer": "応答なし",
    "only {before} {what} before and {during} under the fault, {needed} are needed": (
        "{what}は注入前 {before} 件、注入中 {during} 件のみです ({needed} 件必要)"
    ),
    "there are neither beats nor requests": "ビートもリクエストもありません",
}
# how figures were measured, or why they were not
_FIGURES = {
    "heartbeat: {known} beats{operation} of {due} that were due; served: as expected within {deadline_s:g} s": (
        "ハートビート{operation}: 予定 {due} 件中 {known} 件のビート。"
        "応答ありは {deadline_s:g} 秒以内の期待どおりの応答"
    ),
    " ({operation})": " ({operation})",
    "heartbeat: seconds in which at least one beat was not served within {deadline_s:g} s": (
        "ハートビート: {deadline_s:g} 秒以内に応答のないビートが 1 件以上あった秒数"
    ),
    "heartbeat: from the intended send time to the end of the answer; unanswered ones are slower than any": (
        "ハートビート: 送信予定時刻から応答完了まで。応答なしはどの応答よりも遅いものとして扱う"
    ),
    "load: from when it was sent; its users wait for answers before they ask again (a closed model)": (
        "負荷: 送信時刻から。利用者は応答を待って次を送る (クローズドモデル)"
    ),
    "load: the share of requests that were answered as expected": "負荷: 期待どおり応答のあったリクエストの割合",
    "heartbeat: from the first unserved beat (deadline {deadline_s:g} s) to good service of every operation, "
    "sustained for {limits}": (
        "ハートビート: 最初の応答なしビート (期限 {deadline_s:g} 秒) から、全操作の正常応答が継続するまで ({limits})"
    ),
    "{window_s:g} s with at least {share:.4g} of the beats served and a p95 of at most {p95_s:g} s": (
        "{window_s:g} 秒間、応答率 {share:.4g} 以上かつ p95 が {p95_s:g} 秒以内"
    ),
    "heartbeat: no outage of any operation (deadline {deadline_s:g} s)": (
        "ハートビート: いずれの操作にも停止なし (期限 {deadline_s:g} 秒)"
    ),
    "heartbeat: no beat of some operation was answered within {deadline_s:g} s ({beats} beats)": (
        "ハートビート: いずれかの操作で {deadline_s:g} 秒以内に応答のない状態 (ビート {beats} 件)"
    ),
    "heartbeat: no beat ({operation}) was answered within {deadline_s:g} s ({beats} beats)": (
        "ハートビート: 操作 {operation} で {deadline_s:g} 秒以内に応答のない状態 (ビート {beats} 件)"
    ),
    "heartbeat: some operation's beats were not answered within {deadline_s:g} s; all outages together": (
        "ハートビート: いずれかの操作のビートに {deadline_s:g} 秒以内の応答がない時間。全停止の合計"
    ),
    "heartbeat: served, but not for {limits}": "ハートビート: 応答はあるが基準外の時間 (基準: {limits})",
    "accepted writes that the read-back found missing, never settled, or without effect on their balance": (
        "受付済みの書込みのうち、照合で該当なし、未確定、または残高に反映されていないもの"
    ),
    "from the acceptance of the earliest lost write to that of the last one before the cut": (
        "失われた最初の書込みの受付から、切断前の最後の書込みの受付まで"
    ),
    "from the acceptance of the earliest write that was lost since the read-back {read_back} to that of the last one "
    "before the cut": "照合「{read_back}」以降に失われた最初の書込みの受付から、切断前の最後の書込みの受付まで",
    "{n} of them were lost before": "うち {n} 件は以前の照合で消失済みです",
    "closed: longest time without one successful answer, as Locust's users saw it": (
        "クローズドモデル: Locust の利用者から見て成功応答が 1 件もない最長時間"
    ),
    "the load generator's users": "負荷生成の利用者",
    "from the opening of the drill to its closing": "訓練の開始から終了まで",
    "since {since}: {evidence}": "「{since}」から: {evidence}",
    "counted from {since}": "「{since}」からの時間",
    "the share of {n} samples during the method that were within the tolerance": (
        "実施中のサンプル {n} 件のうち許容値内の割合"
    ),
    "none of the samples could be read": "サンプルを 1 件も取得できませんでした",
    "no beat tells of that time": "該当時間のビートがありません",
    "no request was made then": "該当時間のリクエストがありません",
    "nothing was sent then": "該当時間に送信されたものがありません",
    "it falls on those that were not answered as expected": "この順位の応答は期待どおりに得られていません",
    "too few were answered to say by how much it may be longer": "応答数が少なく、上限を示せません",
    "no heartbeat was recorded": "ハートビートの記録がありません",
    "nothing was failed over and no fault was injected": "切替も障害注入も行われていません",
    "nobody wrote how far the load was seen": "負荷をどこまで観測したかの記録がありません",
    "the load was not started": "負荷が開始されていません",
    "it was not seen": "観測されていません",
    "no request was recorded in the {seconds:.1f} s of load": "負荷の {seconds:.1f} 秒間にリクエストの記録がありません",
    "what clients saw in the last {seconds:.1f} s of load was not recorded": (
        "負荷の最後の {seconds:.1f} 秒間のクライアントの観測が記録されていません"
    ),
    "good service was not sustained within what was recorded": "記録の範囲内で安定稼働が確認されていません",
    "good service was not sustained before the next transition began": (
        "次の切替の開始までに安定稼働が確認されていません"
    ),
    "no transition took place": "切替が行われていません",
    "no {movement} took place before this read-back": "この照合の前に{movement}が行われていません",
    "the run proved nothing: its verdict is {verdict}": "何も実証していません (判定は{verdict})",
    "its beginning was not seen": "停止の開始が観測されていません",
    "no unavailability": "停止なし",
    "nothing is known of {seconds:.2g} s at once": "連続 {seconds:.2g} 秒間の状態が不明です",
    "nothing is known of {seconds:.2g} s of it": "うち {seconds:.2g} 秒間の状態が不明です",
    "there was no read-back": "照合が行われていません",
    "there was no read-back {read_back}": "{read_back}の照合が行われていません",
    "no write was recorded": "書込みの記録がありません",
    "no write was tried": "書込みが試行されていません",
    "no write was accepted": "受け付けられた書込みがありません",
    "the topology does not say how a write is read back": "トポロジーに書込みの照合方法が定義されていません",
    "the topology does not say how a balance is read": "トポロジーに残高の取得方法が定義されていません",
    "the stores had not converged when the read-back ended ({why}); {missing} were missing then": (
        "照合終了時にデータストアが収束していません (理由: {why})。その時点の該当なしは {missing} 件です"
    ),
    "{n} accepted writes could not be read back": "受付済みの書込み {n} 件を照合できませんでした",
    "{n} of {used} accounts: {account}: {why}": "{used} 口座中 {n} 口座 (例: {account}: {why})",
    "its balance at the start is not known": "開始時の残高が不明です",
    "its balance afterwards is not known": "終了後の残高が不明です",
    "it was used for more writes than a balance can tell apart": "残高で区別できる件数を超える書込みに使用されています",
    "two of its writes had the same quantity": "同じ金額の書込みが 2 件あります",
    "its balance fell by {units}": "残高が {units} 減少しています",
    "its balance rose by {units}, which its writes do not make": (
        "残高が {units} 増加していますが、書込みと一致しません"
    ),
}
# problems of stored runs: chaosdrill.runs
_RECORDS = {
    "{file}: {why}": "{file}: {why}",
    "{file} {why}": "{file}: {why}",
    "{file} could not be collected: {why}": "{file} を収集できませんでした: {why}",
    "{file} ({kind} {of}) could not be collected: {why}": "{file} ({kind} {of}) を収集できませんでした: {why}",
    "{file} was collected, and is not there": "収集した {file} がありません",
    "{file} was stored otherwise than it was collected": "{file} が収集時と異なる内容で保存されています",
    "{file} is there, and the history tells of none": "履歴に記録のない {file} があります",
    "the heartbeat was started, and {file} was not collected": (
        "ハートビートを開始しましたが、{file} が収集されていません"
    ),
    "{file} is not complete: {why}": "{file} が不完全です: {why}",
    "{file} cannot be read: {why}": "{file} を読み取れません: {why}",
    "{file} is not as it was collected (sha256 {now}…, it was {was}…)": (
        "{file} が収集時から変更されています (SHA-256 は {now}…、収集時は {was}…)"
    ),
    "{file} is of a run without a name, not of this": "{file} は名前のない別の訓練の記録です",
    "{file} is of the run {run}, not of this": "{file} は別の訓練 {run} の記録です",
    "{file}: its last line was cut off": "{file}: 最終行が途中で切れています",
    "{file}: {n} lines are no records": "{file}: 記録として読めない行が {n} 行あります",
    "{file}: {n} lines are no rows": "{file}: 台帳として読めない行が {n} 行あります",
    "{file}: its end tells of {told} rows, there are {there}": (
        "{file}: 終端の記録では {told} 行ですが、実際は {there} 行です"
    ),
    "{file}: its end was not written": "{file}: 終端が記録されていません",
    "beats: their end was not written": "ビート: 終端が記録されていません",
    "beats: {n} beats of {operation} are missing": "ビート: 操作 {operation} のビート {n} 件が欠落しています",
    "beats: there are {n} heartbeats": "ビート: ハートビートの記録が {n} 個あります",
    "it has no header of a ledger of version {version}": "版 {version} の台帳のヘッダーがありません",
    "its first line is not the header of {records}": "先頭行が{records}の記録のヘッダーではありません",
    "it is of version {version}, and only version {known} is known": (
        "版 {version} の記録です (対応する版は {known} のみ)"
    ),
    "the {records} cannot be read: {why}": "{records}の記録を読み取れません: {why}",
    "it did not come to its end": "最後まで完了していません",
    "after {seconds:g} s: {counts}": "{seconds:g} 秒経過時点で{counts}",
    "{n} {unrest}": "{unrest} {n} 件",
    "{n} further rows": "ほか {n} 行",
    "write {write} stands twice, as {one} and as {other}": (
        "書込み {write} が「{one}」と「{other}」で 2 回記録されています"
    ),
    "the balance {label} of {account} stands twice, and differs": (
        "口座 {account} の残高 ({label}) が異なる値で 2 回記録されています"
    ),
    "the ledger's end tells of {told} writes, it has {there}": (
        "台帳の終端では書込み {told} 件ですが、実際は {there} 件です"
    ),
    "a row of the ledger cannot be understood ({error}): {row}": "台帳に解釈できない行があります ({error}): 「{row}」",
    # the history
    "it is empty": "内容がありません",
    "it is not there": "存在しません",
    "it cannot be read: {why}": "読み取れません: {why}",
    "its last line was cut off": "最終行が途中で切れています",
    "{n} lines are no events": "イベントとして読めない行が {n} 行あります",
    "none of its lines has a seal: nobody can tell whether it is as it was written": (
        "全行に封印がなく、記録時のままかどうかを確認できません"
    ),
    "line {number} {why}": "{number} 行目: {why}",
    "has no seal": "封印がありません",
    "was sealed by another version ({theirs}, known is {known})": (
        "別の版で封印されています (版 {theirs}、対応する版は {known})"
    ),
    "is not as it was written, or does not follow the line before it": (
        "記録時から変更されているか、直前の行に続いていません"
    ),
    "its events are not in the order of their times": "イベントが時刻順に並んでいません",
    "this machine's clock was set by {seconds:.1f} s while the drill ran": (
        "訓練中に実行端末の時計が {seconds:.1f} 秒変更されています"
    ),
    "something follows its end": "終端の後に記録があります",
    "it has no end: the drill was killed, or its last lines are missing": (
        "終端がありません (訓練の強制終了、または末尾の欠落)"
    ),
    # the summary
    "cannot be used: {why}": "使用できません: {why}",
    "it is no JSON: {why}": "JSON ではありません: {why}",
    "it holds something else than a JSON object": "JSON オブジェクトではありません",
    "is of no version that there is ({version}): something else has written it": (
        "存在しない版 ({version}) です (chaosdrill 以外が作成したもの)"
    ),
    "is of version {version}, this chaosdrill knows {known}: install a newer one": (
        "版 {version} です (この chaosdrill が対応する版は {known})。新しい chaosdrill が必要です"
    ),
    "has a verdict that there is none of: {verdict}": "判定の値が不正です: 「{verdict}」",
    "it has no summary: it did not come to its end; see `chaosdrill runs judge`": (
        "サマリがありません (訓練が最後まで完了していません)。`chaosdrill runs judge` を参照してください"
    ),
    "its summary {why}": "サマリ: {why}",
    # an imported journal
    "this rests on Chaos Toolkit's journal alone (status {status}, {deviated}; {steps} steps, {missed} of them not "
    "succeeded); nothing was measured": (
        "Chaos Toolkit のジャーナルのみに基づく判定です (status は {status}、{deviated}。{steps} 手順中 {missed} "
        "手順が未成功)。測定値はありません"
    ),
    "deviated": "定常状態の逸脱あり",
    "not deviated": "定常状態の逸脱なし",
    "Chaos Toolkit does not check the tolerances of the method: {activities}": (
        "Chaos Toolkit は実施中の手順の許容値を確認しません: 「{activities}」"
    ),
    "Chaos Toolkit says {status}": "Chaos Toolkit の記録による status は {status}",
    "Chaos Toolkit says that the steady state deviated": "Chaos Toolkit の記録では定常状態から逸脱しています",
    "Chaos Toolkit says that the experiment failed": "Chaos Toolkit の記録では実験が失敗しています",
    "no steady-state hypothesis was checked": "定常状態仮説が確認されていません",
    "the journal has no end": "ジャーナルに終了時刻がありません",
}
# comparisons of runs
_COMPARED = {
    "its verdict is {verdict}": "判定が「{verdict}」です",
    "its verdict is not known": "判定が不明です",
    "its lab was broken on purpose: {how}": "ラボを意図的に不正動作させています: {how}",
    "its {what} is {mine}, that of {run} is {other}": "{what}が {mine} です ({run} は {other})",
    "{run} would be compared with itself: name another run": ("{run} 同士の比較になります。別の実行を指定してください"),
    "{run} is left out: {why}": "{run} は対象外です: {why}",
    "{baseline} and {candidate} are not alike: {what} {one} against {other}": (
        "{baseline} と {candidate} は{what}が異なります ({one} と {other})"
    ),
    "the candidate's less the baseline's": "比較対象から基準を引いた値",
    "the candidates' median less the baselines'": "比較対象の中央値から基準の中央値を引いた値",
    "one of them is a lower bound": "一方は下限値です",
    "not measured on both sides": "両群では測定されていません",
    "the medians differ by no more than the runs' own uncertainty and resolution": (
        "中央値の差が測定の不確かさと分解能を超えていません"
    ),
    "some runs give a lower bound only": "下限値しか得られていない実行があります",
    "p {p:.2g} after looking at {looked_at} measurements": "p = {p:.2g} ({looked_at} 項目の比較について補正済み)",
    "the same in all runs": "全実行で同じ値です",
    "such a difference comes by chance, too": "偶然でも生じる程度の差です",
    "{one} against {other}: with {looked_at} measurements looked at a claim needs {each} a side": (
        "{one} 回対 {other} 回です。{looked_at} 項目の比較では各群 {each} 回が必要です"
    ),
    "{few}, or {needed} against these {beside}": "{few} (または基準 {beside} 回に対して {needed} 回)",
    "the median of {n} runs": "{n} 回の中央値",
    "measured in {known} of {n} runs": "{n} 回中 {known} 回のみ測定されています",
}

# sentences in a drill's history: chaosdrill.controls, chaosdrill.client
_HISTORY = {
    "another drill is going on here (process {holder}): wait until it has ended": (
        "この環境では別の訓練が実行中です (プロセス {holder})。終了後に実行してください"
    ),
    "the drill {run} died and has not undone what it began; now: {state}": (
        "訓練 {run} は途中で終了し、開始した操作が取り消されていません。現在: {state}"
    ),
    "left by it: {what}": "残っているもの: {what}",
    "the way back: {step}": "復旧手順: {step}",
    "{what}: {why}: {fix}": "{what}: {why}: {fix}",
    "nothing was touched": "何にも触れていません",
    "fault {action} is in force, for {left_s} s still: FIS experiments {ids}": (
        "障害 {action} が継続中です (残り {left_s} 秒)。FIS の実験: {ids}"
    ),
    "fault {action}: it could not be verified at FIS ({why}), and ends by itself at {ends}": (
        "障害 {action}: FIS で確認できませんでした ({why})。{ends} に自動的に終了します"
    ),
    "load of {users} users is in force at {url} (step {step})": (
        "{users} ユーザーの負荷が {url} で継続中です (ステップ {step})"
    ),
    "nobody has confirmed a rehearsal on the topology {topology}, or the file has changed since: run "
    "`chaosdrill rehearse EXPERIMENT --topology FILE`, read what it says, and give it --confirm ACCOUNT": (
        "トポロジー {topology} のリハーサルが確認されていないか、確認後にファイルが変更されています。"
        "`chaosdrill rehearse EXPERIMENT --topology FILE` を実行し、結果を確認のうえ --confirm ACCOUNT を"
        "指定してください"
    ),
    "the region state is {state}, expected {expected}: nothing was touched": (
        "リージョン状態は {state} です (開始条件は {expected})。システムには何も変更を加えていません"
    ),
    "the global cluster {name} has no member in {region}, or no writer (members: {members}; writer: {writer}), and a "
    "switchover to {region} would be refused: nothing was started; correct `database: clusters` in the topology, or "
    "add the region's cluster to the global cluster again": (
        "グローバルクラスター {name} には {region} のメンバーがないか、ライターがありません "
        "(メンバー: {members}、ライター: {writer})。"
        "{region} へのスイッチオーバーは拒否されるため、何も開始していません。"
        "トポロジーの `database: clusters` を直すか、"
        "そのリージョンのクラスターをグローバルクラスターに再び追加してください"
    ),
    "the global cluster {name} is {status}, not available: nothing was started; wait until it is available": (
        "グローバルクラスター {name} は {status} です (available ではありません)。何も開始していません。"
        "available になるまで待ってください"
    ),
    "the cluster of {name} in {region} is {status}, not connected, and Aurora refuses to move the writer there: "
    "nothing was started, and {writer} is still the writer. Aurora rebuilds the old primary after an unplanned "
    "failover, in minutes to hours, depending on its size. Wait until its SynchronizationStatus is connected: "
    "{command}": (
        "{region} にある {name} のクラスターは {status} で、connected ではないため、Aurora は書込みリージョンの変更を"
        "拒否します。何も開始しておらず、書込みリージョンは {writer} のままです。計画外フェイルオーバーの後、Aurora は"
        "旧プライマリを再構築します (サイズにより数分から数時間)。SynchronizationStatus が connected になるまで待って"
        "ください: {command}"
    ),
    "{region} was cut off by its subnets, and Aurora and DynamoDB went on replicating outside of them: 0 lost "
    "writes do not show what the loss of the region would cost, and the replication lag was not measured": (
        "{region} はサブネット単位で遮断されましたが、Aurora と DynamoDB の複製はサブネットを通らず継続していました。"
        "書込み消失 0 件は、リージョン喪失時の影響を示しません。レプリケーション遅延は測定していません"
    ),
    "the replication lag of the main table {table} to {region} before the isolation is unknown: {why}": (
        "メインテーブル {table} の {region} へのレプリケーション遅延は、遮断前の値が不明です: {why}"
    ),
    "the replication lag of the main table {table} to {region} was {lag_s:.3g} s before the isolation": (
        "メインテーブル {table} の {region} へのレプリケーション遅延は、遮断前 {lag_s:.3g} 秒でした"
    ),
    "the replication of the main table {table} was paused before {region} was cut off by its subnets, so the "
    "writes that it accepted after that were at stake; Aurora went on replicating outside of the subnets, and "
    "its replication lag was not measured": (
        "{region} をサブネット単位で遮断する前にメインテーブル {table} の複製を一時停止したため、その後に受け付けた"
        "書込みは失われ得る状態でした。Aurora の複製はサブネットを通らず継続していました。"
        "そのレプリケーション遅延は測定していません"
    ),
    "the replication of the main table {table} was paused before {region} was cut off by its subnets, so the "
    "writes that it accepted after that were at stake; Aurora went on replicating outside of the subnets, and its "
    "replication lag was {lag_s:.3g} s before": (
        "{region} をサブネット単位で遮断する前にメインテーブル {table} の複製を一時停止したため、その後に受け付けた"
        "書込みは失われ得る状態でした。Aurora の複製はサブネットを通らず継続していました。"
        "遮断前のそのレプリケーション遅延は {lag_s:.3g} 秒でした"
    ),
    "replication paused": "複製の一時停止",
    "{region} was cut off by its subnets, and Aurora and DynamoDB went on replicating outside of them: 0 lost writes "
    "do not show what the loss of the region would cost; the database's replication lag was {lag_s:.3g} s before": (
        "{region} はサブネット単位で遮断されましたが、Aurora と DynamoDB の複製はサブネットを通らず継続していました。"
        "書込み消失 0 件は、リージョン喪失時の影響を示しません。遮断前のデータベースのレプリケーション遅延は "
        "{lag_s:.3g} 秒でした"
    ),
    "the credentials ({reach}) belong to account {account}, and the topology allows only {allowed}: use the "
    "right profile, or add the account under `accounts:`": (
        "認証情報 (「{reach}」) はアカウント {account} のものですが、"
        "トポロジーで許可されているのは {allowed} のみです。"
        "正しいプロファイルを使用するか、`accounts:` にアカウントを追加してください"
    ),
    "cannot be read: {why}": "読み取れません: {why}",
    "no answer within {seconds:g} s": "{seconds:g} 秒以内に応答がありません",
    "is {value}, expected {expected}": "値は「{value}」です (期待値は「{expected}」)",
    "the drill was interrupted, and the lab's waits were shortened": "訓練が中断され、ラボの待ち時間が短縮されています",
    "the target was lost while the load ran, and what clients saw from then on proves nothing: {why}": (
        "負荷の実行中に対象環境へ接続できなくなり、以後のクライアントの観測は根拠になりません: {why}"
    ),
    "the load generator went away {seconds:.0f} s after the load began, and with it what clients saw": (
        "負荷開始の {seconds:.0f} 秒後に負荷生成が失われ、クライアントの観測も失われました"
    ),
    "the lab ended before the drill did, and what this run did with it: see `chaosdrill lab logs`": (
        "ラボが訓練より先に終了し、ラボでの操作結果も失われました。`chaosdrill lab logs` を参照してください"
    ),
    "nothing of it was recorded": "記録がありません",
    "it was not written to its end: the heartbeat was ended without being stopped, or died": (
        "最後まで書き込まれていません (ハートビートが停止操作なしに終了、または異常終了)"
    ),
    "the topology's `heartbeat:` names no synthetic `accounts:` to `write:` to: it only reads": (
        "トポロジーの `heartbeat:` に書込み先 (`write:`) の検証用口座 (`accounts:`) がないため、参照のみ行います"
    ),
    "it recorded {rows} of the {counted} requests that it made": (
        "実行した {counted} 件のリクエストのうち {rows} 件のみ記録されています"
    ),
    "it did not end in order: what it saw after {until} (its clock) is missing": (
        "正常に終了していません。{until} (記録元の時計) 以後の観測が欠落しています"
    ),
}
# the rows of the waterfall: chaosdrill.report.view.timeline
_TIMELINE = {
    "{stage}: {activity}": "{stage}: {activity}",
    "{stage}: {activity}, {status}": "{stage}: {activity}、{status}",
    "{movement}: {took}; {evidence}": "{movement}: {took}。根拠: {evidence}",
    "{seconds:.1f} s": "{seconds:.1f} 秒",
    "fault": "障害",
    "packet loss {percent:g} %": "パケット損失 {percent:g} %",
    "{n} beats": "ビート {n} 件",
    "{n} failures": "失敗 {n} 件",
    "{addresses}; TTL {ttl_s:g} s": "{addresses} (TTL {ttl_s:g} 秒)",
}

SENTENCES: Mapping[str, str] = {
    **_EVERYWHERE,
    **_EVIDENCE,
    **_VERDICT,
    **_OBJECTIVES,
    **_RULES,
    **_FIGURES,
    **_RECORDS,
    **_COMPARED,
    **_HISTORY,
    **_TIMELINE,
}
