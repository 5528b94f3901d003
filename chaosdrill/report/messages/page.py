"""Messages of a run's page: headings, notes, table columns."""

MESSAGES = {
    "page.skip": ("Skip to the report", "本文へ移動"),
    "page.no-script": (
        "The figures need JavaScript; what they show also stands in the tables.",
        "図の表示には JavaScript が必要です。図の内容は表にも記載しています。",
    ),
    "page.dark": ("Dark", "ダーク表示"),
    "page.contents": ("Contents", "目次"),
    "page.how": ("how it was measured", "測定方法"),
    "page.evidence": ("Evidence", "根拠"),
    "page.more": ("and {n} more, in the run's records", "ほか {n} 件 (記録ファイルを参照)"),
    "page.more-reasons": ("and {n} more, under Findings", "ほか {n} 件 (「検出事項」を参照)"),
    "page.footer": (
        "Judged and written by chaosdrill {version} from nothing but what the run left behind. This page holds "
        "everything that it shows and asks no other computer for anything; it forbids itself to. "
        "All times are UTC, by the clock of the machine that ran the drill, with the reader's local time beside them.",
        "chaosdrill {version} が、訓練の記録のみに基づいて判定し、作成しました。本ページは単体で完結し、"
        "外部への通信を"
        "一切行いません (Content-Security-Policy で禁止)。時刻はすべて UTC (現地時刻を併記)、"
        "訓練を実行した端末の時計によります。",
    ),
    # tool bar of the figures
    "tool.back": ("Double-click to zoom back out", "ダブルクリックで全体に戻る"),
    "tool.download": ("Save as PNG", "PNG で保存"),
    "tool.pan": ("Pan", "移動"),
    "tool.reset": ("Show all", "全体を表示"),
    "tool.zoom": ("Zoom", "範囲を拡大"),
    "tool.in": ("Zoom in", "拡大"),
    "tool.out": ("Zoom out", "縮小"),
    # notes at the top of the page
    "note.lab": (
        "Rehearsed in the embedded lab: no time on this page is a real system's recovery time.",
        "組込みラボでの訓練です。本ページの時間は実システムの復旧時間ではありません。",
    ),
    "note.lab-scaled": (
        "Rehearsed in the embedded lab, with waits × {scale}: no time on this page is a real system's recovery time.",
        "組込みラボでの訓練です (待ち時間 × {scale})。本ページの時間は実システムの復旧時間ではありません。",
    ),
    "badge.lab": ("lab", "ラボ"),
    "badge.lab-scaled": ("lab, waits × {scale}", "ラボ、待ち時間 × {scale}"),
    "note.judged-otherwise": (
        "When it closed, the drill judged itself: {then}. Judged again, from the same run, it is: {now}. Either the "
        "run "
        "was changed since, or this version of chaosdrill judges otherwise; the findings say why.",
        "訓練終了時の判定は「{then}」、同じ記録による今回の判定は「{now}」です。記録が変更されたか、chaosdrill "
        "の版により判定が"
        "異なります。理由は「検出事項」を参照してください。",
    ),
    "note.broken": (
        "The lab was broken on purpose in this run: {how}. It says nothing about a real system.",
        "本訓練ではラボを意図的に不正動作させています: {how}。実システムの評価には使用できません。",
    ),
    "note.dry": (
        "This was a dry run: what it should prove was left out.",
        "ドライランのため、検証対象の手順は実行していません。",
    ),
    "note.not-ended": (
        "This drill did not come to its end: it was killed, or its last lines are missing. It is shown as far as it "
        "goes.",
        "訓練は最後まで完了していません (強制終了、または履歴末尾の欠落)。記録のある範囲のみを表示します。",
    ),
    "note.imported": (
        "This run was imported from a journal of plain Chaos Toolkit. Nothing was measured, and the verdict rests "
        "on what "
        "the journal says of its steps and of the steady state.",
        "Chaos Toolkit 単体のジャーナルから取り込んだ記録です。測定値はなく、"
        "判定はジャーナルにある手順と定常状態の結果のみに"
        "基づきます。",
    ),
    "note.problem": (
        "The part “{part}” could not be worked out from this run: {why}. The rest is shown.",
        "「{part}」は本記録から作成できませんでした: {why}。その他の項目は表示しています。",
    ),
    # the parts of the page
    "part.timeline": ("Timeline", "時系列"),
    "part.phases": ("Phases", "フェーズ"),
    "part.hypothesis": ("Hypothesis", "定常状態仮説"),
    "part.findings": ("Findings", "検出事項"),
    "part.writes": ("Writes", "書込み台帳"),
    "part.measurements": ("Measurements", "測定値"),
    "part.steps": ("Everything that ran", "実行した全手順"),
    "part.surroundings": ("Environment", "実行環境"),
    "part.regulatory": ("What it shows for supervisory rules", "監督上の規則に対して示すこと"),
    "regulatory.about": (
        "A reading aid, in other words than those of the rules, and no statement that a rule is met. It names what a "
        "drill shows and what it does not; nobody but the reader can judge whether that is enough.",
        "規則の原文ではなく要約による参考資料であり、規則を満たすことを示すものではありません。訓練が示すことと"
        "示さないことを挙げたもので、十分かどうかは読者が判断してください。",
    ),
    "regulatory.lab": (
        "A drill in the embedded lab shows nothing about a real system, so nothing is shown for any rule.",
        "組込みラボでの訓練は実システムについて何も示さないため、いずれの規則に対しても示すことはありません。",
    ),
    "regulatory.rule": ("Rule", "規則"),
    "regulatory.shown": ("Shown", "示すこと"),
    "regulatory.not-shown": ("Not shown", "示さないこと"),
    "regulatory.checked": ("Checked by", "確認者"),
    "regulatory.nothing": ("nothing", "なし"),
    "regulatory.unchecked": ("nobody yet", "未確認"),
    "regulatory.source": ("source", "出典"),
    "regulatory.based-on": ("written from", "参照資料"),
    "part.methods": ("How it was measured", "測定方法"),
    "part.headline": ("verdict", "判定"),
    "part.regions": ("regions", "リージョン"),
    "part.clients": ("what clients saw", "クライアントの観測"),
    # figures in words
    "measured.not": ("not measured: {why}", "未測定: {why}"),
    "measured.no-reason": ("no reason is known", "理由不明"),
    "measured.nothing": ("nothing in the run tells of it", "該当する記録なし"),
    "measured.at-least": ("at least {value}", "{value}以上"),
    "measured.exact": ("± 0", "± 0"),
    "measured.about-unknown": ("(uncertainty not known)", "(不確かさ不明)"),
    "met.yes": ("met", "達成"),
    "met.no": ("missed", "未達"),
    "met.unknown": ("cannot be told", "判定不能"),
    # objectives
    "objectives.heading": ("Objectives", "目標値"),
    "objectives.name": ("Objective", "項目"),
    "objectives.wanted": ("Wanted", "目標"),
    "objectives.measured": ("Measured", "測定値"),
    "objectives.result": ("Result", "結果"),
    "objectives.none": (
        "No objective was set: any lost write is a failure all the same.",
        "目標値の設定なし。書込み消失は 1 件でも不合格となります。",
    ),
    "objective.at-most": ("at most {value}", "{value}以内"),
    "objective.at-least": ("at least {value}", "{value}以上"),
    "objective.budget": ("Budget: {phase}", "時間枠: {phase}"),
    # the timeline
    "timeline.whole": ("Whole drill", "全体"),
    "timeline.keys": ("Colours", "凡例"),
    "timeline.bad": ("no service, failed", "停止・失敗"),
    "timeline.moving": ("moving", "切替中"),
    "timeline.dark": ("no region", "該当リージョンなし"),
    "timeline.alternative": (
        "Waterfall of the drill, with the error ratio, latencies and every heartbeat on the same axis of time. "
        "The tables below hold the same.",
        "訓練のウォーターフォール図。エラー率、応答時間、全ハートビートを同一時間軸で表示。"
        "同じ内容は下の表にあります。",
    ),
    "timeline.caption": (
        "Drag to zoom in, double-click to see all; every row keeps to the same axis of time (UTC). Point at anything "
        "for its times, its value and its region. A gap between two colours of one row is the time between two "
        "looks: "
        "the change lies in it. “No service” is an outage as it was judged; “not served” are single heartbeats, or "
        "several in a row; they are red crosses below, at the time they took to fail.",
        "ドラッグで拡大、ダブルクリックで全体表示。全段が同一時間軸 (UTC) に連動します。"
        "各要素にカーソルを合わせると時刻・値・"
        "リージョンを表示します。同一行で色が途切れた区間は観測の間隔であり、変化はその中で起きています。"
        "「停止」は判定上の停止、"
        "「応答なし」は個々 (または連続) のハートビートの失敗で、下段では失敗までの所要時間の位置に赤い x "
        "印で示します。",
    ),
    "timeline.as-table": ("The waterfall as a table", "ウォーターフォール図の内容 (表)"),
    "timeline.row": ("Row", "行"),
    "timeline.what": ("What", "内容"),
    "timeline.from": ("From (UTC)", "開始 (UTC)"),
    "timeline.until": ("Until (UTC)", "終了 (UTC)"),
    "timeline.none": (
        "The history tells of no moment, so there is nothing to draw.",
        "履歴に時刻の記録がないため、図を作成できません。",
    ),
    "figure.since": ("{seconds} s since the drill was opened", "訓練開始から {seconds} 秒"),
    "figure.span": ("{since} to {until} ({seconds} s)", "{since} から {until} ({seconds} 秒)"),
    "figure.not-ended": ("its end was not seen", "終了は未観測"),
    "figure.number": ("{n} answers in a row", "連続 {n} 件"),
    "panel.errors": ("Error ratio", "エラー率"),
    "panel.errors-told": (
        "heartbeats not served (solid), failed requests of the load (dotted); each {width}",
        "ハートビート応答なし (実線)、負荷の失敗リクエスト (点線)、{width}ごと",
    ),
    "panel.latency": ("Latency of {of}", "応答時間 ({of})"),
    "panel.latency-told": (
        "p50 (solid), p95 (dashed), p99 (dotted), slowest (diamonds); each {width}",
        "p50 (実線)、p95 (破線)、p99 (点線)、最大 (菱形)、{width}ごと",
    ),
    "panel.beats": ("Every heartbeat", "全ハートビート"),
    "panel.beats-told": (
        "by the region that served it: {operations}; not served (x)",
        "応答リージョン別: {operations}、応答なし (x)",
    ),
    "panel.beats-thinned": (
        "Heartbeats: {shown} of {all}, with every extreme",
        "ハートビート: 全 {all} 件中 {shown} 件 (極値はすべて表示)",
    ),
    "symbol.0": ("circles", "丸"),
    "symbol.1": ("diamonds", "菱形"),
    "symbol.2": ("squares", "四角"),
    "symbol.3": ("triangles", "三角"),
    "series.heartbeat": ("heartbeat: not served", "ハートビート: 応答なし"),
    "series.load": ("load: failed requests", "負荷: 失敗リクエスト"),
    "series.slowest": ("slowest", "最大"),
    "of.heartbeat": ("the heartbeat", "ハートビート"),
    "of.load": ("the load's requests", "負荷リクエスト"),
    "beat.served": ("served by {region}", "{region} が応答"),
    "beat.unserved": ("not served", "応答なし"),
    "beat.unknown": ("not known", "不明"),
    # phases
    "phases.phase": ("Phase", "フェーズ"),
    "phases.at": ("At (UTC)", "時刻 (UTC)"),
    "phases.took": ("Took", "所要時間"),
    "phases.counted-from": ("Counted from", "起点"),
    "phases.whole": ("{seconds} s in all", "全体 {seconds} 秒"),
    "phases.not-seen": ("not seen", "未観測"),
    "phases.none": ("Nothing was failed over or back.", "切替・切戻しは行われていません。"),
    # hypothesis
    "hypothesis.about": (
        "Each probe of the steady state: what it said before, during and after the method. An outage is expected "
        "while the system moves; before and after, every tolerance must be met.",
        "定常状態の各プローブの値 (実施前・実施中・実施後)。切替中の停止は想定内ですが、"
        "実施前後は全項目が許容値内であることが必要です。",
    ),
    "hypothesis.probe": ("Probe", "プローブ"),
    "hypothesis.tolerance": ("Tolerance", "許容値"),
    "hypothesis.before": ("Before", "実施前"),
    "hypothesis.during": ("During", "実施中"),
    "hypothesis.after": ("After", "実施後"),
    "hypothesis.not-read": ("not read", "未取得"),
    "hypothesis.more": ("{n} more", "ほか {n} 件"),
    "hypothesis.none": ("The run tells of no steady state.", "定常状態の記録はありません。"),
    # findings
    "findings.name": ("Finding", "検出事項"),
    "findings.asks": ("Asks for", "判定への影響"),
    "findings.seen": ("What was seen", "観測内容"),
    "findings.none": (
        "Nothing was found that speaks against this drill.",
        "問題となる検出事項はありません。",
    ),
    # writes
    "writes.tried": (
        "Clients tried {all} writes on {accounts} synthetic accounts: {accepted} were accepted, {refused} refused, "
        "and of "
        "{unknown} no answer came, so that nobody could know. Each is followed by its id.",
        "クライアントは検証用 {accounts} 口座に対し {all} 件の書込みを試行: 受付 {accepted} 件、拒否 {refused} 件、"
        "応答なしで成否不明 {unknown} 件。全件を ID で追跡しています。",
    ),
    "writes.none": (
        "There is no ledger: no write was followed.",
        "書込み台帳がないため、書込みは追跡していません。",
    ),
    "writes.read-back": ("Read back", "照合"),
    "writes.asked": ("Accepted writes that were asked for", "照合対象の受付済み書込み"),
    "writes.states": ("Found", "照合結果"),
    "writes.lost": ("Lost writes", "書込み消失"),
    "writes.seconds": ("Seconds of writes lost", "消失した時間幅"),
    "writes.by-databases": ("The databases' own account", "データベース側の記録"),
    "writes.not-asked": ("cannot be asked on this target", "この環境では照会不可"),
    "writes.databases-say": ("{n} lost (in {region})", "消失 {n} 件 ({region})"),
    "writes.agree": ("the same ids", "ID 一致"),
    "writes.differ": ("{n} ids differ", "ID 不一致 {n} 件"),
    # measurements
    "measurements.name": ("Figure", "項目"),
    "measurements.value": ("Measured", "測定値"),
    "measurements.resolution": ("Resolution", "分解能"),
    "measurements.how": ("How", "測定方法"),
    "latencies.heading": ("Latencies", "応答時間"),
    "latencies.about": (
        "Before, during and after what the drill did. Of the heartbeat from the moment each beat was due, so that no "
        "waiting is left out; a beat that was not answered is slower than any.",
        "障害注入・切替の前・中・後。ハートビートは送信予定時刻からの所要時間で、待ち時間を含みます。"
        "応答のなかったものは"
        "どの応答よりも遅いものとして扱います。",
    ),
    "latencies.of": ("Of", "対象"),
    "latencies.when": ("When", "時期"),
    "latencies.count": ("Number", "件数"),
    "latencies.served": ("Served", "応答率"),
    # what ran
    "steps.about": (
        "In the order in which it was begun; open one for what it was given and what it gave back, as it is.",
        "開始順。各項目を開くと引数と出力を原文のまま表示します。",
    ),
    "steps.func": ("function", "関数"),
    "steps.arguments": ("arguments", "引数"),
    "steps.output": ("output", "出力"),
    "steps.tolerance": ("tolerance", "許容値"),
    "steps.error": ("error", "エラー"),
    "steps.none": ("The history tells of no activity.", "実行された手順の記録はありません。"),
    "calls.heading": (
        "{n} calls of AWS's APIs that the history tells of, with their request ids",
        "履歴にある AWS API 呼出し {n} 件 (リクエスト ID 付き)",
    ),
    "calls.call": ("Call", "呼出し"),
    "calls.region": ("Region", "リージョン"),
    "calls.request-id": ("Request id", "リクエスト ID"),
    "calls.answer": ("Answer", "応答"),
    "calls.retries": ("(tried again {n} times)", "(再試行 {n} 回)"),
    # surroundings
    "surroundings.run": ("The run", "訓練"),
    "surroundings.versions": ("Versions", "バージョン"),
    "surroundings.configuration": ("The experiment's variables", "実験の変数"),
    "surroundings.clocks": ("Clocks", "時計"),
    "surroundings.clocks-about": (
        "How far each recorder's clock was ahead of the machine that ran the drill; all times here are corrected by "
        "that.",
        "訓練実行端末に対する各記録元の時計の進み。本書の時刻はすべて補正済みです。",
    ),
    "surroundings.clock": ("Clock of", "対象"),
    "surroundings.ahead": ("Ahead by", "進み"),
    "surroundings.never-compared": ("never compared", "未比較"),
    "surroundings.files": ("Records", "記録ファイル"),
    "surroundings.file": ("File", "ファイル"),
    "surroundings.rows": ("Rows", "行数"),
    "surroundings.topology": ("Topology, as it was", "トポロジー (実行時)"),
    "surroundings.experiment": ("Experiment, as it was", "実験定義 (実行時)"),
    "fact.run": ("Run", "実行 ID"),
    "fact.began": ("Began", "開始"),
    "fact.time-zone": ("Local time", "現地時刻"),
    "fact.seconds": ("Lasted", "所要時間"),
    "fact.target": ("Target", "対象環境"),
    "fact.scale": ("Scale of the lab's waits", "ラボ待ち時間の倍率"),
    "fact.operator": ("Operator", "実施者"),
    "fact.approver": ("Approver", "承認者"),
    "fact.approvals": ("Approvals", "手順の承認"),
    "fact.handed-over": ("Handed over", "引き継ぎ"),
    "fact.ticket": ("Change ticket", "変更チケット"),
    "fact.settlement": ("Writes were settled within", "書き込みの確定に要した時間"),
    "fact.host": ("Machine", "実行端末"),
    "fact.commit": ("Git commit", "Git コミット"),
    "fact.expect": ("Expected state", "開始条件"),
    "fact.source": ("Summary made by", "サマリの作成元"),
    "fact.experiment-sha256": ("SHA-256 of the experiment", "実験定義の SHA-256"),
    "fact.topology-sha256": ("SHA-256 of the topology", "トポロジーの SHA-256"),
    "fact.history-sha256": ("SHA-256 of the history", "履歴の SHA-256"),
}
